// Picks one flow of those that the role may see, or all.
import { useQuery } from '@tanstack/react-query';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { useWords } from '../words/words.ts';
import { overview } from '../api/queries.ts';

export function FlowSelect({ value, onChange }: { value: string; onChange: (flow: string) => void }) {
  const { t } = useWords();
  const flows = useQuery(overview).data?.flows.map((flow) => flow.name) ?? [];
  const known = value === '' || flows.includes(value) ? flows : [value, ...flows];
  return (
    <Select
      accessibleName={t('flow.one')}
      value={value}
      onChange={(event) => onChange(event.detail.selectedOption.value ?? '')}
    >
      <Option value="">{t('flow.all')}</Option>
      {known.map((name) => (
        <Option key={name} value={name}>
          {name}
        </Option>
      ))}
    </Select>
  );
}
