// What both systems hold at present, beside each other. Asked for after the rest, since it is read from the systems themselves.
import { useQuery } from '@tanstack/react-query';
import { Button } from '@ui5/webcomponents-react/Button';
import { Title } from '@ui5/webcomponents-react/Title';
import { explainNow } from '../../api/queries.ts';
import type { FieldNow, Present } from '../../api/types.ts';
import { shown } from '../../parts/json.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { Mark } from '../../parts/mark.tsx';
import { Card } from '../../parts/page.tsx';
import { Time } from '../../parts/time.tsx';
import { Rich } from '../../words/rich.tsx';
import { useWords } from '../../words/words.ts';

export function Now({ record, field }: { record: string; field: string }) {
  const { t } = useWords();
  const query = useQuery(explainNow(record, field));
  return (
    <Card
      title={t('explain.present')}
      says={t('explain.presentSays')}
      actions={
        <Button disabled={query.isFetching} onClick={() => void query.refetch()}>
          {t('explain.readAgain')}
        </Button>
      }
    >
      <div className="stack" aria-live="polite">
        <Loaded query={query}>
          {({ records, masked }) => (
            <>
              {masked && <p className="soft">{t('story.masked')}</p>}
              {records.length === 0 && <p>{t('explain.placeUnknown')}</p>}
              <div className="present">
                {records.map((one) => (
                  <Held key={`${one.connection} ${one.object} ${one.id}`} of={one} />
                ))}
              </div>
            </>
          )}
        </Loaded>
      </div>
    </Card>
  );
}

function Held({ of: record }: { of: Present }) {
  const { t } = useWords();
  return (
    <section className="stack tight" aria-label={`${t(`side.${record.system}`)} ${record.object} ${record.id}`}>
      <div>
        <Title level="H3" size="H6" wrappingType="Normal">
          {t(`side.${record.system}`)}
        </Title>
        <p className="soft">
          {record.object} <span className="code">{record.id}</span>
          {' · '}
          {record.connection}
          {' · '}
          <Time at={record.read_at} />
        </p>
      </div>
      {record.why !== undefined && (
        <p>
          <Mark tone="bad">{t('explain.unread')}</Mark> {record.why}
        </p>
      )}
      {record.why === undefined && !record.found && (
        <p>
          <Mark tone="warn">{t('explain.gone')}</Mark>
        </p>
      )}
      {record.found && record.fields.length === 0 && <p>{t('explain.noField')}</p>}
      {record.fields.length > 0 && (
        <dl className="held">
          {record.fields.map((field) => (
            <div key={field.name}>
              <dt>{field.name}</dt>
              <dd>
                <strong className="value">{shown(field.value)}</strong> <Marks of={field} />
              </dd>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

/** Whether it is as it was written, and in step with the other side. */
function Marks({ of: field }: { of: FieldNow }) {
  const { t } = useWords();
  const other = field.with?.join(', ');
  return (
    <>
      {field.changed === false && <Mark tone="good">{t('explain.asWritten')}</Mark>}
      {field.changed === true && <Mark tone="warn">{t('explain.changed')}</Mark>}{' '}
      {field.in_step !== undefined && (
        <Mark tone={field.in_step ? 'good' : 'warn'}>{t(field.in_step ? 'explain.same' : 'explain.differs')}</Mark>
      )}
      {field.changed === true && (
        <span className="about">
          <Rich
            of="explain.lastWritten"
            values={{ value: shown(field.last_written) }}
            pieces={{ v: <span className="value" /> }}
          />
        </span>
      )}
      {other !== undefined && <span className="about">{t('explain.goesWith', { field: other })}</span>}
    </>
  );
}
