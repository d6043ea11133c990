// A date, or a date with its time, picked with the browser's own field: it speaks the person's language and weighs nothing.
import { useId } from 'react';

interface Props {
  label: string;
  /** An instant; with `day` a date. */
  value: string | undefined;
  onChange: (value: string) => void;
  day?: boolean;
}

export function Moment({ label, value, onChange, day }: Props) {
  const id = useId();
  return (
    <div className="moment">
      <label htmlFor={id}>{label}</label>
      <input
        id={id}
        type={day ? 'date' : 'datetime-local'}
        value={local(value, day)}
        onChange={(event) => onChange(instant(event.target.value, day))}
      />
    </div>
  );
}

/** As the field wants it: in the browser's zone, without saying so. */
function local(value: string | undefined, day: boolean | undefined): string {
  if (value === undefined || Number.isNaN(Date.parse(value))) return '';
  if (day) return value.slice(0, 10);
  const at = new Date(value);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function instant(text: string, day: boolean | undefined): string {
  return text === '' || day ? text : new Date(text).toISOString();
}
