// A small picture of how many a step: what was done as a line, what went to review or was rejected as bars below it.

interface Props {
  done: number[];
  trouble: number[];
  /** Says in words what the picture shows. */
  label: string;
}

const WIDE = 120;
const HIGH = 28;

export function Sparkline({ done, trouble, label }: Props) {
  const most = Math.max(1, ...done, ...trouble);
  const step = WIDE / Math.max(1, done.length - 1);
  const y = (value: number) => HIGH - 1 - (value / most) * (HIGH - 3);
  const line = done.map((value, place) => `${(place * step).toFixed(1)},${y(value).toFixed(1)}`).join(' ');
  return (
    <svg className="sparkline" viewBox={`0 0 ${WIDE} ${HIGH}`} role="img" aria-label={label} preserveAspectRatio="none">
      <title>{label}</title>
      {done.length > 0 && <polygon className="area" points={`0,${HIGH} ${line} ${WIDE},${HIGH}`} />}
      <polyline className="line" points={line} />
      {trouble.map((value, place) =>
        value === 0 ? null : (
          <rect
            key={place}
            className="trouble"
            x={place * step - 1.25}
            y={y(value)}
            width={2.5}
            height={HIGH - y(value)}
          />
        ),
      )}
    </svg>
  );
}
