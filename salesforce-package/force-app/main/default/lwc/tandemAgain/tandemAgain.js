/** Tandem answers within seconds: looks again this long after a person asked for something, in milliseconds. */
const PAUSES = [2000, 5000, 12000];

/** Calls `look` while Tandem is at it; the answer ends that. */
export function lookAgain(look) {
    // eslint-disable-next-line @lwc/lwc/no-async-operation
    const timers = PAUSES.map((pause) => setTimeout(look, pause));
    return () => timers.forEach((timer) => clearTimeout(timer));
}
