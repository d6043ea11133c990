// A record and a field: who wrote it last, by which event, rule and release, and what was written before.
import { useQuery } from '@tanstack/react-query';
import { Link, useSaid, useSay } from '../../way/way.tsx';
import { Button } from '@ui5/webcomponents-react/Button';
import { Input } from '@ui5/webcomponents-react/Input';
import { Label } from '@ui5/webcomponents-react/Label';
import { useState } from 'react';
import { Rich } from '../../words/rich.tsx';
import { useWords } from '../../words/words.ts';
import { explain as explainQuery } from '../../api/queries.ts';
import type { Explained, Write } from '../../api/types.ts';
import { Empty } from '../../parts/empty.tsx';
import { EventsTable } from '../../parts/events-table.tsx';
import { explain as icon } from '../../parts/icons.ts';
import { shown } from '../../parts/json.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { Card, Page } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { Now } from './now.tsx';

export default function Explain() {
  const { t } = useWords();
  const { record = '', field = '' } = useSaid('/explain');
  const query = useQuery(explainQuery(record, field));
  return (
    <Page title={t('explain.title')} says={t('explain.says')}>
      <Asked key={`${record} ${field}`} record={record} field={field} />
      {record === '' ? (
        <section className="card">
          <Empty icon={icon} title={t('explain.begin')} says={t('explain.beginSays')} />
        </section>
      ) : (
        <Loaded query={query}>{(explained) => <Told of={explained} field={field} />}</Loaded>
      )}
    </Page>
  );
}

function Asked(asked: { record: string; field: string }) {
  const { t } = useWords();
  const look = useSay('/explain');
  const [record, setRecord] = useState(asked.record);
  const [field, setField] = useState(asked.field);
  return (
    <search>
      <form
        className="filters"
        onSubmit={(event) => {
          event.preventDefault();
          look({ record: record.trim(), field: field.trim() });
        }}
      >
        <div className="field">
          <Label for="record" showColon>
            {t('explain.record')}
          </Label>
          <Input
            id="record"
            value={record}
            placeholder={t('explain.recordFor')}
            onInput={(event) => setRecord(event.target.value)}
          />
        </div>
        <div className="field">
          <Label for="of-field" showColon>
            {t('explain.field')}
          </Label>
          <Input
            id="of-field"
            value={field}
            placeholder={t('explain.fieldFor')}
            onInput={(event) => setField(event.target.value)}
          />
        </div>
        <Button type="Submit" design="Emphasized" disabled={record.trim() === ''}>
          {t('explain.go')}
        </Button>
      </form>
    </search>
  );
}

function Told({ of: explained, field }: { of: Explained; field: string }) {
  const { t } = useWords();
  if (explained.writes.length === 0 && explained.events.length === 0) {
    return (
      <section className="card">
        <Empty icon={icon} title={t('explain.none')} says={t('explain.noneSays', { record: explained.record })} />
      </section>
    );
  }
  // What was refused, or is not known to have been carried out, is told in its place and never as what wrote it last.
  const last = explained.writes.find(({ outcome }) => outcome === 'done');
  const others = explained.writes.filter((write) => write !== last);
  return (
    <>
      {explained.links.length > 0 && (
        <p>
          {explained.links.map((link) => (
            <span key={`${link.scope} ${link.kind} ${link.b1_id}`}>
              {t('explain.linked', { kind: link.kind })}{' '}
              <Link to="/explain" search={{ record: link.b1_id, field }} className="code">
                {link.b1_id}
              </Link>{' '}
              (SAP Business One) ={' '}
              <Link to="/explain" search={{ record: link.salesforce_id, field }} className="code">
                {link.salesforce_id}
              </Link>{' '}
              (Salesforce).{' '}
            </span>
          ))}
        </p>
      )}
      <Now record={explained.record} field={field} />
      <Card title={t('explain.now')}>{last ? <Sentences of={last} /> : <p>{t('explain.neverWritten')}</p>}</Card>
      {others.length > 0 && (
        <Card title={t('explain.others')}>
          <ol className="timeline">
            {others.map((write) => (
              <li key={`${write.run} ${write.at} ${write.path}`} className="plain">
                <div className="timeline-at">
                  <Time at={write.at} />
                </div>
                <div className="timeline-what">
                  <Sentences of={write} />
                </div>
              </li>
            ))}
          </ol>
        </Card>
      )}
      {explained.events.length > 0 && (
        <Card title={t('explain.events')} flush>
          <EventsTable events={explained.events} label={t('explain.events')} />
        </Card>
      )}
    </>
  );
}

const TOLD = { done: 'explain.wrote', refused: 'explain.refused', unknown: 'explain.unknown' } as const;

/** One write in words; the event that stands behind it is one click away. */
function Sentences({ of: write }: { of: Write }) {
  const { t } = useWords();
  return (
    <div className="stack tight">
      <p>
        <Rich
          of={TOLD[write.outcome]}
          values={{ flow: write.flow, system: write.connection ?? write.slot, answer: write.answer || '…' }}
          pieces={{ at: <Time at={write.at} />, path: <span className="code">{`${write.method} ${write.path}`}</span> }}
        />{' '}
        {t('explain.under')} <span className="code">{write.release.slice(0, 10)}</span>
        {write.event !== undefined && (
          <>
            {' · '}
            <Link to="/events/$id" params={{ id: String(write.event) }}>
              {t('explain.evidence', { id: write.event })}
            </Link>
          </>
        )}
      </p>
      <ul className="sentences">
        {write.fields.map((field) => (
          <li key={field.name}>
            <Rich
              of={write.outcome === 'done' ? 'explain.became' : 'explain.wasToBe'}
              values={{ field: field.name, value: shown(field.value) }}
              pieces={{ b: <strong />, v: <strong className="value" /> }}
            />{' '}
            <span className="soft">{t('explain.rule')}</span> <span className="code">{field.rule}</span>
          </li>
        ))}
      </ul>
    </div>
  );
}
