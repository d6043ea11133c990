// A certificate's fingerprint, as people compare it.

/** Four groups of eight pairs, as openssl and browsers write them: "A1:B2:…". */
export function fingerprint(sha256: string): string[] {
  const pairs = sha256
    .replace(/[^0-9a-f]/gi, '')
    .toUpperCase()
    .match(/.{2}/g);
  const groups: string[] = [];
  for (let at = 0; at < (pairs?.length ?? 0); at += 8) groups.push(pairs?.slice(at, at + 8).join(':') ?? '');
  return groups;
}
