// The rule of one target field: its expression, for pairs direction and policy; a code table on demand.
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Label } from '@ui5/webcomponents-react/Label';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { Title } from '@ui5/webcomponents-react/Title';
import { useEffect, useId, useState } from 'react';
import { expressionWords, mappingFields } from '../../api/queries.ts';
import {
  DIRECTIONS,
  PAIR_POLICIES,
  type Direction,
  type ExpressionSaid,
  type Field,
  type MappingSection,
  type PairPolicy,
  type PairPut,
  type Rule,
  type RulePut,
  type SectionFields,
  type Side,
} from '../../api/types.ts';
import { useWords } from '../../words/words.ts';
import { Code } from './code.tsx';
import type { Editing } from './editing.ts';
import { expression, Known } from './expression.ts';
import { bare, bareRule, isPlain, joins, ruleFor, ruleTo, sides } from './fields.ts';
import { typeOf } from './field-list.tsx';
import { ValuesOf, type Tried } from './preview.tsx';
import { TableDialog } from './table-dialog.tsx';

interface Props {
  editing: Editing;
  section: MappingSection;
  fields: SectionFields;
  /** The target's field. */
  right: string | undefined;
  tried: Tried;
  close: () => void;
}

/** The rule that there is to be, of the one that there is; nothing where there is none left to change. */
type Change = (now: RulePut | undefined) => RulePut | undefined;

export function RulePanel({ editing, section, fields, right, tried, close }: Props) {
  const { t } = useWords();
  const [asking, setAsking] = useState(false);
  const side = sides(section).right;
  if (right === undefined) {
    return (
      <section className="card rule-panel" aria-label={t('rule.title')}>
        <Title level="H3" size="H5">
          {t('rule.title')}
        </Title>
        <p className="soft">{t(editing.may ? 'rule.none' : 'rule.noneRead')}</p>
      </section>
    );
  }
  const field = fields[side].find((one) => one.name === right);
  const rule = ruleTo(section, right);
  // Made of the rule as it is by then: two changes one after the other are both kept.
  const put = (change: Change, to: string) =>
    void editing.edit((doc) => {
      const before = ruleFor(doc, section.name, right);
      const next = change(before && bareRule(before));
      if (next === undefined) return [];
      return [{ do: 'put', section: section.name, rule: next, ...(before && { instead_of: before.field }) }];
    }, `${section.name} ${right} ${to}`);
  const read = rule && isPlain(rule) ? joins(rule).left[0] : undefined;
  return (
    <section className="card rule-panel" aria-label={t('rule.title')}>
      <header>
        <Title level="H3" size="H5" wrappingType="Normal">
          {field?.label ?? right}
        </Title>
        <p className="soft small">
          <span className="code">{right}</span>
          {field && <> · {typeOf(field, t)}</>}
        </p>
      </header>
      {rule?.kind === 'both' ? (
        <Pair of={rule} editing={editing} section={section} fields={fields} put={put} />
      ) : section.way === 'both' ? (
        <p className="soft">{t('rule.choosePair')}</p>
      ) : (
        <Rules
          label={t('rule.value')}
          help={t('rule.valueHelp')}
          value={rule?.kind === 'one-way' ? rule.rule : ''}
          problem={rule?.problem ?? null}
          over={sides(section).left}
          editing={editing}
          section={section}
          fields={fields}
          onChange={(text) => {
            if (text.trim() === '' && !rule) return;
            put(() => ({ kind: 'one-way', field: right, rule: text }), 'rule');
          }}
        />
      )}
      {editing.may && rule && (
        <div className="actions">
          {read !== undefined && <Button onClick={() => setAsking(true)}>{t('rule.table')}</Button>}
          <Button
            design="Negative"
            onClick={() => {
              void editing.edit([{ do: 'remove', section: section.name, field: rule.field }]);
              close();
            }}
          >
            {t('rule.remove')}
          </Button>
        </div>
      )}
      {rule && <ValuesOf tried={tried} fields={[right, rule.field]} />}
      {asking && rule && read !== undefined && (
        <TableDialog
          editing={editing}
          section={section}
          rule={rule}
          left={read}
          right={right}
          close={() => setAsking(false)}
        />
      )}
    </section>
  );
}

function Pair({
  of: rule,
  editing,
  section,
  fields,
  put,
}: Pick<Props, 'editing' | 'section' | 'fields'> & { of: Rule & PairPut; put: (change: Change, to: string) => void }) {
  const { t } = useWords();
  const id = useId();
  const set = (part: Partial<PairPut>, to: string) =>
    put((now) => (now?.kind === 'both' ? { ...now, ...part } : undefined), to);
  return (
    <>
      <p>{t('rule.pair', { b1: rule.field, salesforce: rule.salesforce })}</p>
      <div className="field">
        <Label for={`${id}-direction`} showColon>
          {t('rule.direction')}
        </Label>
        <Select
          id={`${id}-direction`}
          accessibleName={t('rule.direction')}
          disabled={!editing.may}
          value={rule.direction}
          onChange={(event) =>
            set({ direction: (event.detail.selectedOption.value ?? 'both') as Direction }, 'direction')
          }
        >
          {DIRECTIONS.map((one) => (
            <Option key={one} value={one}>
              {t(`direction.${one}`)}
            </Option>
          ))}
        </Select>
      </div>
      {rule.direction === 'both' && (
        <div className="field">
          <Label for={`${id}-policy`} showColon>
            {t('rule.policy')}
          </Label>
          <Select
            id={`${id}-policy`}
            accessibleName={t('rule.policy')}
            disabled={!editing.may}
            value={rule.policy}
            onChange={(event) =>
              set({ policy: (event.detail.selectedOption.value ?? 'newest') as PairPolicy }, 'policy')
            }
          >
            {PAIR_POLICIES.map((one) => (
              <Option key={one} value={one}>
                {t(`policy.${one}`)}
              </Option>
            ))}
          </Select>
        </div>
      )}
      {(['to_salesforce', 'to_b1'] as const)
        .filter((way) => rule.direction === 'both' || rule.direction === way)
        .map((way) => (
          <Rules
            key={way}
            label={t(`rule.${way}`)}
            help={t('rule.copied')}
            value={rule[way] ?? ''}
            problem={rule[way] === null ? null : rule.problem}
            over={way === 'to_b1' ? 'salesforce' : 'b1'}
            editing={editing}
            section={section}
            fields={fields}
            onChange={(text) => set({ [way]: text.trim() === '' ? null : text }, way)}
          />
        ))}
    </>
  );
}

interface RulesProps extends Pick<Props, 'editing' | 'section' | 'fields'> {
  label: string;
  help: string;
  value: string;
  problem: string | null;
  /** Whose record it is over. */
  over: Side;
  onChange: (text: string) => void;
}

/** An expression, with what is wrong in it below. */
function Rules({ label, help, value, problem, over, editing, section, fields, onChange }: RulesProps) {
  const { t } = useWords();
  const client = useQueryClient();
  const words = useQuery(expressionWords).data;
  const [said, setSaid] = useState<ExpressionSaid>();
  const [known] = useState(() => new Known(setSaid));
  const [more] = useState(() => expression(known));
  const { flow } = editing;
  useEffect(() => {
    known.learn({
      words: words ?? [],
      tables: Object.keys(editing.doc.tables),
      fields: async (path) => {
        let here: readonly Field[] = fields[over];
        for (const name of path) {
          const object = here.find((one) => one.relation?.name === name)?.relation?.object;
          if (object === undefined) return [];
          here = (await client.fetchQuery(mappingFields(flow, section.name, object))).salesforce;
        }
        return here;
      },
    });
  });
  const wrong = said ? said.error : problem;
  return (
    <div className="field">
      <span className="field-title">{label}</span>
      <Code value={value} label={label} onChange={onChange} more={more} locked={!editing.may} />
      <p className={wrong ? 'bad-text' : 'soft small'} role="status">
        {wrong ?? (said && said.reads.length > 0 ? t('rule.reads', { fields: said.reads.map(bare).join(', ') }) : help)}
      </p>
    </div>
  );
}
