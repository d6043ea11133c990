// Words that are looked for shortly after the last key.
import { Icon } from '@ui5/webcomponents-react/Icon';
import { Input } from '@ui5/webcomponents-react/Input';
import { useEffect, useRef, useState } from 'react';
import { search } from './icons.ts';

const PAUSE_MS = 300;

interface Props {
  said: string;
  label: string;
  onChange: (words: string) => void;
}

export function WordsField({ said, label, onChange }: Props) {
  const [words, set] = useState(said);
  // What was looked for last: an address that says something else was changed by other means, such as a saved view.
  const looked = useRef(said);
  useEffect(() => {
    if (said !== looked.current) {
      looked.current = said;
      set(said);
    }
  }, [said]);
  useEffect(() => {
    if (words === looked.current) return;
    const timer = setTimeout(() => {
      looked.current = words;
      onChange(words);
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  });
  return (
    <Input
      className="words-field"
      accessibleName={label}
      placeholder={label}
      showClearIcon
      icon={<Icon name={search} mode="Decorative" />}
      value={words}
      onInput={(event) => set(event.target.value)}
    />
  );
}
