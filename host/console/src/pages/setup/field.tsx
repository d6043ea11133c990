// A field of a connection, with what it is for and what the host says is wrong with it.
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { useId } from 'react';

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  help?: string;
  placeholder?: string;
  required?: boolean;
  /** Why it is wrong. */
  wrong?: string | undefined;
  secret?: boolean;
}

export function Field({ label, value, onChange, help, placeholder, required = false, wrong, secret = false }: Props) {
  const id = useId();
  return (
    <div className="field">
      <Label for={id} required={required} showColon>
        {label}
      </Label>
      <Input
        id={id}
        type={secret ? 'Password' : 'Text'}
        required={required}
        value={value}
        placeholder={placeholder}
        accessibleDescription={help}
        valueState={wrong === undefined ? 'None' : 'Negative'}
        valueStateMessage={<span>{wrong}</span>}
        onInput={(event) => onChange(event.target.value)}
      />
      {help !== undefined && <p className="soft small">{help}</p>}
    </div>
  );
}
