// A small picture of how many a step: what was done as a line, what went to review or was rejected as bars below it.

interface Props {
  /** None: bars alone, each with its share of the width. */
  done?: number[];
  trouble: number[];
  /** Says in words what the picture shows. */
  label: string;
}

const WIDE = 120;
const HIGH = 28;

export function Sparkline({ done, trouble, label }: Props) {
  const most = Math.max(1, ...(done ?? []), ...trouble);
  const step = WIDE / Math.max(1, done ? done.length - 1 : trouble.length);
  const bar = done ? { wide: 2.5, before: -1.25 } : { wide: step * 0.6, before: step * 0.2 };
  const y = (value: number) => HIGH - 1 - (value / most) * (HIGH - 3);
  const line = done?.map((value, place) => `${(place * step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={label} preserveAspectRatio="none">
      <title>{label}</title>
      {line && <polygon className="area" points={`0,${HIGH} ${line} ${WIDE},${HIGH}`} />}
      {done ? (
        <polyline className="line" points={line} />
      ) : (
        <line className="axis" x1={0} x2={WIDE} y1={HIGH - 0.5} y2={HIGH - 0.5} />
      )}
      {trouble.map((value, place) =>
        value === 0 ? null : (
          <rect
            key={place}
            className="trouble"
            x={place * step + bar.before}
            y={y(value)}
            width={bar.wide}
            height={HIGH - y(value)}
          />
        ),
      )}
    </svg>
  );
}
