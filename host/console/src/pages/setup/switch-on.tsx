// What a flow needs before it can run: its connections, its settings, its name.
import { useQueryClient } from '@tanstack/react-query';
import { Label } from '@ui5/webcomponents-react/Label';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { useId, useState } from 'react';
import { api } from '../../api/client.ts';
import { setup as setupQuery } from '../../api/queries.ts';
import type { Setup, SetupFlow, SetupFlowPut, SetupPlugin } from '../../api/types.ts';
import { FormDialog } from '../../parts/form-dialog.tsx';
import { useWords } from '../../words/words.ts';
import { formOf } from '../flows/form.ts';
import { SettingsForm, useWrong } from '../flows/settings-form.tsx';
import { Field } from './field.tsx';

const NAME = /^[a-z0-9-]{1,20}$/;

interface Props {
  plugin: SetupPlugin;
  setup: Setup;
  /** One that is there already; without it a new one is made. */
  of: SetupFlow | undefined;
  close: () => void;
}

export function SwitchOn({ plugin, setup, of, close }: Props) {
  const { t } = useWords();
  const client = useQueryClient();
  const [flow, setFlow] = useState(of?.flow ?? freeName(plugin.plugin, setup));
  const [chosen, setChosen] = useState<Record<string, string>>(() => of?.connections ?? preselected(plugin, setup));
  const [settings, setSettings] = useState(of?.settings ?? {});
  const { wrong, mark } = useWrong();
  const fields = plugin.schema ? formOf(plugin.schema) : [];
  const lacking = plugin.slots.filter(({ kind }) => namesOf(setup, kind).length === 0);
  const taken = !of && setup.flows.some((one) => one.flow === flow);
  const ready = NAME.test(flow) && !taken && !wrong && plugin.slots.every(({ slot }) => Boolean(chosen[slot]));
  return (
    <FormDialog
      wide
      title={t(of ? 'switch.change' : 'switch.title', { plugin: plugin.title || plugin.plugin, flow })}
      confirm={t(of ? 'save' : 'switch.go')}
      ready={ready}
      close={close}
      go={async () => {
        const put: SetupFlowPut = { plugin: plugin.plugin, connections: chosen, settings };
        await api.put<SetupFlow>(`/setup/flows/${encodeURIComponent(flow)}`, put);
        await client.invalidateQueries({ queryKey: setupQuery.queryKey });
        close();
      }}
    >
      {lacking.map(({ slot, kind }) => (
        <MessageStrip key={slot} design="Critical" hideCloseButton>
          {t('switch.lacks', { side: t(`side.${kind}`) })}
        </MessageStrip>
      ))}
      <div className="form">
        {plugin.slots.map(({ slot, kind }) => (
          <Slot
            key={slot}
            label={t('switch.connection', { slot, side: t(`side.${kind}`) })}
            of={namesOf(setup, kind)}
            value={chosen[slot] ?? ''}
            onChange={(name) => setChosen({ ...chosen, [slot]: name })}
          />
        ))}
        {!of && (
          <Field
            label={t('switch.name')}
            required
            value={flow}
            help={t('switch.nameHelp')}
            wrong={taken ? t('switch.nameTaken') : NAME.test(flow) ? undefined : t('switch.nameWrong')}
            onChange={setFlow}
          />
        )}
      </div>
      <fieldset className="part">
        <legend>{t('flows.settings')}</legend>
        {fields.length === 0 ? (
          <p className="soft">{t('settings.none')}</p>
        ) : (
          <SettingsForm of={fields} values={settings} onChange={setSettings} mark={mark} locked={false} />
        )}
      </fieldset>
    </FormDialog>
  );
}

interface SlotProps {
  label: string;
  of: string[];
  value: string;
  onChange: (name: string) => void;
}

function Slot({ label, of, value, onChange }: SlotProps) {
  const { t } = useWords();
  const id = useId();
  return (
    <div className="field">
      <Label for={id} required showColon>
        {label}
      </Label>
      <Select
        id={id}
        accessibleName={label}
        value={value}
        onChange={(event) => onChange(event.detail.selectedOption.value ?? '')}
      >
        {value === '' && <Option value="">{t('switch.choose')}</Option>}
        {of.map((name) => (
          <Option key={name} value={name}>
            {name}
          </Option>
        ))}
      </Select>
    </div>
  );
}

function namesOf(setup: Setup, kind: string): string[] {
  return setup.connections.filter((one) => one.settings.kind === kind).map((one) => one.name);
}

/** Where there is but one connection of the kind, it is that one. */
function preselected(plugin: SetupPlugin, setup: Setup): Record<string, string> {
  return Object.fromEntries(
    plugin.slots.flatMap(({ slot, kind }) => {
      const [only, ...more] = namesOf(setup, kind);
      return only !== undefined && more.length === 0 ? [[slot, only]] : [];
    }),
  );
}

function freeName(plugin: string, { flows }: Setup): string {
  const name = plugin
    .toLowerCase()
    .replace(/[^a-z0-9-]/g, '-')
    .slice(0, 20);
  if (!flows.some((one) => one.flow === name)) return name;
  for (let n = 2; ; n++) {
    const next = `${name.slice(0, 20 - `-${n}`.length)}-${n}`;
    if (!flows.some((one) => one.flow === next)) return next;
  }
}
