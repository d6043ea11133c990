// The present of the mock: this machine's. With TANDEM_MOCK_NOW it begins there anew at each reset, in whole seconds: two pictures
// of a page are the same then.
const first = process.env.TANDEM_MOCK_NOW;
let began = Date.now();

export function rewind(): void {
  began = Date.now();
}

export function now(): number {
  return first === undefined ? Date.now() : Date.parse(first) + Math.floor((Date.now() - began) / 1000) * 1000;
}
