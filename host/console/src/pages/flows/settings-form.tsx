// The fields of a plugin's settings, as its schema says them.
import { Button } from '@ui5/webcomponents-react/Button';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { TextArea } from '@ui5/webcomponents-react/TextArea';
import { useId, useState } from 'react';
import { shown } from '../../parts/json.tsx';
import { useWords } from '../../words/words.ts';
import { numberOf, withSetting, type FormField } from './form.ts';

type Values = Record<string, unknown>;

/** Whether a field holds what it cannot mean, and how a field says so of itself. */
export function useWrong(): { wrong: boolean; mark: (name: string, bad: boolean) => void } {
  const [names, setNames] = useState<ReadonlySet<string>>(new Set());
  const mark = (name: string, bad: boolean) => {
    const next = new Set(names);
    if (bad) next.add(name);
    else next.delete(name);
    setNames(next);
  };
  return { wrong: names.size > 0, mark };
}

interface FieldsProps {
  of: FormField[];
  values: Values;
  onChange: (values: Values) => void;
  mark: (name: string, bad: boolean) => void;
  locked: boolean;
}

export function SettingsForm({ of, values, onChange, mark, locked }: FieldsProps) {
  return (
    <div className="form">
      {of.map((field) => (
        <Setting
          key={field.name}
          of={field}
          value={values[field.name]}
          onChange={(value) => onChange(withSetting(values, field.name, value))}
          mark={mark}
          locked={locked}
        />
      ))}
    </div>
  );
}

interface Props {
  of: FormField;
  value: unknown;
  onChange: (value: unknown) => void;
  mark: FieldsProps['mark'];
  locked: boolean;
}

function Setting(props: Props) {
  const { t } = useWords();
  const { of, value, onChange, mark, locked } = props;
  const id = useId();
  const help = (
    <p className="soft small" id={`${id}-help`}>
      {[of.help, isUsual(of.usual) && t('settings.usual', { value: shown(of.usual) })].filter(Boolean).join(' · ')}
    </p>
  );
  if (of.shape.is === 'flag') {
    return (
      <div className="field">
        <CheckBox
          text={of.title}
          checked={(value ?? of.usual) === true}
          disabled={locked}
          onChange={(event) => onChange(event.target.checked)}
        />
        {help}
      </div>
    );
  }
  if (of.shape.is === 'group' || of.shape.is === 'map') {
    return (
      <fieldset className="field setting-group">
        <legend>{of.title}</legend>
        {help}
        {of.shape.is === 'map' ? (
          <Pairs {...props} numbers={of.shape.of === 'number'} />
        ) : (
          <SettingsForm
            of={of.shape.fields}
            values={(value ?? {}) as Values}
            onChange={onChange}
            mark={(name, bad) => mark(`${of.name}.${name}`, bad)}
            locked={locked}
          />
        )}
      </fieldset>
    );
  }
  return (
    <div className="field">
      <Label for={id} required={of.required} showColon>
        {of.title}
      </Label>
      <One {...props} id={id} />
      {help}
    </div>
  );
}

function One({ of, value, onChange, mark, locked, id }: Props & { id: string }) {
  const { t } = useWords();
  const { shape } = of;
  const usual = of.usual === undefined || of.usual === null ? '' : String(of.usual);
  const [text, setText] = useState(() => textOf(of, value));
  const [bad, setBad] = useState(false);
  const tell = (text: string, value: unknown, bad = false) => {
    setText(text);
    setBad(bad);
    mark(of.name, bad);
    if (!bad) onChange(value);
  };
  if (shape.is === 'choice') {
    const now = shown(value ?? of.usual ?? '');
    return (
      <Select
        id={id}
        accessibleName={of.title}
        disabled={locked}
        value={value === undefined || value === null ? '' : now}
        onChange={(event) => {
          const chosen = event.detail.selectedOption.value ?? '';
          onChange(shape.choices.find((one) => String(one) === chosen));
        }}
      >
        {(value === undefined || value === null || !of.required) && (
          <Option value="">{usual === '' ? t('settings.unset') : t('settings.usualChoice', { value: usual })}</Option>
        )}
        {shape.choices.map((one) => (
          <Option key={String(one)} value={String(one)}>
            {String(one)}
          </Option>
        ))}
      </Select>
    );
  }
  if (shape.is === 'number') {
    return (
      <Input
        id={id}
        value={text}
        disabled={locked}
        placeholder={usual}
        valueState={bad ? 'Negative' : 'None'}
        valueStateMessage={<span>{t(shape.whole ? 'settings.badWhole' : 'settings.badNumber')}</span>}
        onInput={(event) => {
          const typed = event.target.value;
          const number = numberOf(typed);
          tell(typed, number, number === null || (shape.whole && number !== undefined && !Number.isInteger(number)));
        }}
      />
    );
  }
  if (shape.is === 'texts' || shape.is === 'json') {
    const json = shape.is === 'json';
    return (
      <TextArea
        id={id}
        className={json ? 'code-area' : undefined}
        rows={json ? 4 : 3}
        value={text}
        disabled={locked}
        placeholder={json ? t('settings.asJson') : t('settings.aLine')}
        valueState={bad ? 'Negative' : 'None'}
        valueStateMessage={<span>{t('settings.badJson')}</span>}
        onInput={(event) => {
          const typed = event.target.value;
          if (!json) {
            const lines = typed.split('\n').filter((line) => line.trim() !== '');
            tell(typed, lines.length === 0 ? undefined : lines);
            return;
          }
          const read = jsonOf(typed);
          tell(typed, read, read === null && typed.trim() !== 'null');
        }}
      />
    );
  }
  return (
    <Input
      id={id}
      value={text}
      disabled={locked}
      placeholder={usual}
      onInput={(event) => tell(event.target.value, event.target.value === '' ? undefined : event.target.value)}
    />
  );
}

/** Whether it says something that a person would not expect anyway. */
function isUsual(value: unknown): boolean {
  return typeof value === 'number' || (typeof value === 'string' && value !== '');
}

function textOf(of: FormField, value: unknown): string {
  if (value === undefined || value === null) return '';
  if (of.shape.is === 'texts' && Array.isArray(value)) return value.join('\n');
  return of.shape.is === 'json' ? JSON.stringify(value, null, 2) : String(value);
}

/** undefined for nothing, null for what is no JSON. */
function jsonOf(text: string): unknown {
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Names with a value each; a row with no name yet is not told. */
function Pairs({ of, value, onChange, mark, locked, numbers }: Props & { numbers: boolean }) {
  const { t } = useWords();
  const [rows, setRows] = useState(() =>
    Object.entries((value ?? {}) as Values).map(([k, v]) => [k, String(v)] as const),
  );
  const tell = (next: (readonly [string, string])[]) => {
    setRows(next);
    const named = next.filter(([name]) => name.trim() !== '');
    mark(of.name, numbers && named.some(([, text]) => typeof numberOf(text) !== 'number'));
    onChange(
      named.length === 0
        ? undefined
        : Object.fromEntries(named.map(([name, text]) => [name, numbers ? numberOf(text) : text])),
    );
  };
  const put = (at: number, row: readonly [string, string]) =>
    tell(rows.map((one, place) => (place === at ? row : one)));
  return (
    <div className="stack tight">
      {rows.map(([name, text], at) => (
        <div className="pair" key={at}>
          <Input
            accessibleName={t('settings.pairName', { number: at + 1 })}
            value={name}
            disabled={locked}
            onInput={(event) => put(at, [event.target.value, text])}
          />
          <span aria-hidden="true">→</span>
          <Input
            accessibleName={t('settings.pairValue', { number: at + 1 })}
            value={text}
            disabled={locked}
            onInput={(event) => put(at, [name, event.target.value])}
          />
          {!locked && (
            <Button
              design="Transparent"
              accessibleName={t('settings.pairRemove', { name })}
              onClick={() => tell(rows.filter((_, place) => place !== at))}
            >
              {t('remove')}
            </Button>
          )}
        </div>
      ))}
      {!locked && (
        <div>
          <Button design="Transparent" onClick={() => setRows([...rows, ['', '']])}>
            {t('settings.pairAdd')}
          </Button>
        </div>
      )}
    </div>
  );
}
