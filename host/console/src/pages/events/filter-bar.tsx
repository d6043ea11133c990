import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { useState } from 'react';
import { useWords } from '../../words/words.ts';
import { STATES } from '../../api/types.ts';
import { FlowSelect } from '../../parts/flow-select.tsx';
import { Moment } from '../../parts/moment.tsx';
import { WordsField } from '../../parts/words-field.tsx';
import { GROUPS, isSpan, SPANS, type Search, type Span } from './filter.ts';

interface Props {
  search: Search;
  look: (next: Search, replace?: boolean) => void;
}

export function FilterBar({ search, look }: Props) {
  const { t } = useWords();
  const change = (what: Search, replace = false) => {
    look({ ...search, ...what }, replace);
  };
  const custom = search.since !== undefined || search.until !== undefined;
  const [dates, showDates] = useState(custom);
  const span = isSpan(search.within) ? search.within : custom || dates ? 'dates' : '';

  return (
    <search className="filters">
      <WordsField said={search.q ?? ''} label={t('events.words')} onChange={(q) => change({ q }, true)} />
      <FlowSelect value={search.flow ?? ''} onChange={(flow) => change({ flow })} />
      <Select
        accessibleName={t('event.state')}
        value={search.state ?? ''}
        onChange={(event) => change({ state: event.detail.selectedOption.value ?? '' })}
      >
        <Option value="">{t('events.anyState')}</Option>
        <Option value={GROUPS.unfinished}>{t('events.unfinished')}</Option>
        <Option value={GROUPS.trouble}>{t('events.trouble')}</Option>
        {STATES.map((state) => (
          <Option key={state} value={state}>
            {t(`state.${state}`)}
          </Option>
        ))}
      </Select>
      <Select
        accessibleName={t('events.when')}
        value={span}
        onChange={(event) => {
          const value = event.detail.selectedOption.value ?? '';
          showDates(value === 'dates');
          if (value !== 'dates') change({ within: value, since: '', until: '' });
          else if (search.within) change({ within: '' });
        }}
      >
        <Option value="">{t('events.anyTime')}</Option>
        {(Object.keys(SPANS) as Span[]).map((one) => (
          <Option key={one} value={one}>
            {t(`range.${one}`)}
          </Option>
        ))}
        <Option value="dates">{t('events.dates')}</Option>
      </Select>
      {span === 'dates' && (
        <>
          <Moment label={t('events.since')} value={search.since} onChange={(since) => change({ since })} />
          <Moment label={t('events.until')} value={search.until} onChange={(until) => change({ until })} />
        </>
      )}
    </search>
  );
}
