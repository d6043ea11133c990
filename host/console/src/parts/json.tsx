// A value as text that can be read and selected.
import { useWords } from '../words/words.ts';

export function Json({ of, label }: { of: unknown; label: string }) {
  const { t } = useWords();
  const empty = of === null || of === undefined || of === '';
  return (
    <pre className="json" role="region" tabIndex={0} aria-label={label}>
      {empty ? t('nothing') : typeof of === 'string' ? of : JSON.stringify(of, null, 2)}
    </pre>
  );
}

/** A field's value in a line. */
export function shown(value: unknown): string {
  if (value === null || value === undefined || value === '') return '–';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
