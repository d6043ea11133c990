// What a release is to its flow, and its short name as a link.
import { Link } from '../../way/way.tsx';
import { Mark } from '../../parts/mark.tsx';
import { useWords } from '../../words/words.ts';
import type { Standing } from '../../api/types.ts';

const TONES = { live: 'good', candidate: 'warn', 'taken-back': 'bad', earlier: 'plain', known: 'info' } as const;

export function StandingMark({ of }: { of: Standing }) {
  const { t } = useWords();
  return <Mark tone={TONES[of]}>{t(`release.is.${of}`)}</Mark>;
}

export function short(digest: string): string {
  return digest.slice(0, 10);
}

export function ReleaseLink({ flow, release }: { flow: string; release: string }) {
  return (
    <Link to="/flows/$id/$release" params={{ id: flow, release: short(release) }} className="code">
      {short(release)}
    </Link>
  );
}
