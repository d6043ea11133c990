// A private key, pasted or taken from a file. What is typed is not shown.
import { Button } from '@ui5/webcomponents-react/Button';
import { useId, useRef } from 'react';
import { useWords } from '../../words/words.ts';

interface Props {
  value: string;
  onChange: (value: string) => void;
  placeholder: string;
  required: boolean;
  wrong: string | undefined;
}

export function PrivateKey({ value, onChange, placeholder, required, wrong }: Props) {
  const { t } = useWords();
  const id = useId();
  const chooser = useRef<HTMLInputElement>(null);
  return (
    <div className="field">
      <label htmlFor={id} className="soft">
        {t('connect.key')}:{required && <span aria-hidden="true"> *</span>}
      </label>
      <textarea
        id={id}
        className="plain-input key-input"
        rows={3}
        autoComplete="off"
        spellCheck={false}
        value={value}
        placeholder={placeholder}
        required={required}
        aria-invalid={wrong !== undefined}
        aria-describedby={`${id}-help`}
        onChange={(event) => onChange(event.target.value)}
      />
      <p className={wrong === undefined ? 'soft small' : 'bad-text small'} id={`${id}-help`}>
        {wrong ??
          (value === '' ? t('connect.keyHelp') : t('connect.keyLines', { count: value.trim().split('\n').length }))}
      </p>
      <input
        ref={chooser}
        type="file"
        accept=".key,.pem,application/x-pem-file"
        hidden
        aria-label={t('connect.keyFile')}
        onChange={(event) => {
          const [file] = event.target.files ?? [];
          event.target.value = '';
          void file?.text().then(onChange);
        }}
      />
      <div>
        <Button onClick={() => chooser.current?.click()}>{t('connect.keyFile')}</Button>
      </div>
    </div>
  );
}
