// A browser's picture with 256 colours at most: a third of the size, and nothing that one sees.
import { crc32, deflateSync, inflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
const MOST = 256;
/** Of these the most frequent ones, kept as they are: a shadow is made of such. */
const EXACT = 160;

export function withPalette(png: Buffer): Buffer {
  const { width, height, pixels } = decoded(png);
  const { colours, places } = palette(pixels);
  const rows = Buffer.alloc(height * (width + 1));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) rows[y * (width + 1) + 1 + x] = places.get(pixels[y * width + x] ?? 0) ?? 0;
  }
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  head.set([8, 3, 0, 0, 0], 8);
  const table = Buffer.from(colours.flatMap((one) => parts(one)));
  return Buffer.concat([
    SIGNATURE,
    chunk('IHDR', head),
    chunk('PLTE', table),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

const parts = (colour: number) => [colour >> 16, (colour >> 8) & 255, colour & 255] as const;

/** The most frequent colours, the last of them no nearer to another than they must be; each other one goes to the nearest. */
function palette(pixels: Uint32Array): { colours: number[]; places: Map<number, number> } {
  const counts = new Map<number, number>();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const all = [...counts]
    .sort(([one, times], [other, often]) => often - times || one - other)
    .map(([colour]) => colour);
  let colours = all;
  for (let apart = 1; colours.length > MOST; apart++) {
    colours = all.slice(0, EXACT);
    for (const colour of all.slice(EXACT)) {
      if (colours.length > MOST) break;
      if (!colours.some((kept) => distance(kept, colour) <= apart)) colours.push(colour);
    }
  }
  const nearest = (colour: number) =>
    colours.reduce((best, kept, place) => {
      const there = colours[best] ?? 0;
      return distance(kept, colour) < distance(there, colour) ? place : best;
    }, 0);
  return { colours, places: new Map(all.map((colour) => [colour, nearest(colour)])) };
}

function distance(one: number, other: number): number {
  const [red, green, blue] = parts(one);
  const [r, g, b] = parts(other);
  return Math.max(Math.abs(red - r), Math.abs(green - g), Math.abs(blue - b));
}

interface Picture {
  width: number;
  height: number;
  /** 0xRRGGBB each. */
  pixels: Uint32Array;
}

/** As Chromium writes it: 8 bits a channel, not interlaced, nothing to be seen through. */
function decoded(png: Buffer): Picture {
  let width = 0;
  let height = 0;
  let channels = 0;
  const data: Buffer[] = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = png.readUInt32BE(at);
    const name = png.toString('latin1', at + 4, at + 8);
    const body = png.subarray(at + 8, at + 8 + length);
    if (name === 'IHDR') {
      width = body.readUInt32BE(0);
      height = body.readUInt32BE(4);
      channels = body[9] === 6 ? 4 : 3;
    }
    if (name === 'IDAT') data.push(body);
    at += 12 + length;
  }
  const raw = inflateSync(Buffer.concat(data));
  const wide = width * channels;
  const pixels = new Uint32Array(width * height);
  let above = new Uint8Array(wide);
  for (let y = 0; y < height; y++) {
    const from = y * (wide + 1);
    const row = Uint8Array.from(raw.subarray(from + 1, from + 1 + wide));
    const filter = raw[from] ?? 0;
    for (let x = 0; x < wide; x++) {
      const left = row[x - channels] ?? 0;
      const up = above[x] ?? 0;
      row[x] = (row[x] ?? 0) + guess(filter, left, up, above[x - channels] ?? 0);
    }
    for (let x = 0; x < width; x++) {
      const [red = 0, green = 0, blue = 0] = row.subarray(x * channels, x * channels + 3);
      pixels[y * width + x] = (red << 16) | (green << 8) | blue;
    }
    above = row;
  }
  return { width, height, pixels };
}

/** What a filter of PNG takes a byte for by its neighbours. */
function guess(filter: number, left: number, up: number, corner: number): number {
  if (filter === 0) return 0;
  if (filter === 1) return left;
  if (filter === 2) return up;
  if (filter === 3) return (left + up) >> 1;
  const near = [left, up, corner].map((one) => Math.abs(left + up - corner - one));
  const least = Math.min(...near);
  return near[0] === least ? left : near[1] === least ? up : corner;
}

function chunk(name: string, body: Buffer): Buffer {
  const named = Buffer.concat([Buffer.from(name, 'latin1'), body]);
  const whole = Buffer.alloc(named.length + 8);
  whole.writeUInt32BE(body.length, 0);
  named.copy(whole, 4);
  whole.writeUInt32BE(crc32(named), named.length + 4);
  return whole;
}
