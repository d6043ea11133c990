// The present of the mock: this machine's. With TANDEM_MOCK_NOW it begins there anew at each reset, in whole seconds: two pictures
// of a page are the same then. A test that wants to see what goes on lets it stand, and moves it on by hand.
const first = process.env.TANDEM_MOCK_NOW;
let began = Date.now();
/** How far it is ahead of this machine's. */
let ahead = 0;
let stands: number | null = null;

export function rewind(): void {
  began = Date.now();
  ahead = 0;
  stands = null;
}

/** Nothing goes on by itself until it runs again. */
export function stand(): void {
  stands = now();
}

/** As if so much time had passed. */
export function pass(ms: number): void {
  if (stands === null) ahead += ms;
  else stands += ms;
}

export function run(): void {
  if (stands === null) return;
  ahead += stands - now(null);
  stands = null;
}

export function now(standing = stands): number {
  if (standing !== null) return standing;
  const here = Date.now() + ahead;
  return first === undefined ? here : Date.parse(first) + Math.floor((here - began) / 1000) * 1000;
}
