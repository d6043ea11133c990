// One report: what came of it, what was compared, and of one comparison its sums and its differences.
import { useQuery } from '@tanstack/react-query';
import { report as reportQuery } from '../../api/queries.ts';
import type { Report } from '../../api/types.ts';
import { Facts } from '../../parts/facts.tsx';
import { Loaded } from '../../parts/loaded.tsx';
import { useLocale } from '../../parts/locale.ts';
import { Card, Page } from '../../parts/page.tsx';
import { Link, useId, useSaid } from '../../way/way.tsx';
import { day, duration, exact, number } from '../../words/format.ts';
import { useWords } from '../../words/words.ts';
import { all, chosen, type Chosen } from './chosen.ts';
import { Comparisons } from './comparisons.tsx';
import { Differences } from './differences.tsx';
import { Sums } from './sums.tsx';
import { Verdict } from './verdict.tsx';

export default function ReportPage() {
  const { t } = useWords();
  const locale = useLocale();
  const name = useId();
  const { flow, of } = useSaid('/reconcile/$id');
  const query = useQuery(reportQuery(name));
  const row = query.data?.summary;
  const one = query.data && chosen(query.data, flow, of);
  return (
    <Page
      title={row ? t('reconcile.report', { at: exact(row.at, locale) }) : t('reconcile.title')}
      says={
        row &&
        query.data && (
          <>
            <Link to="/reconcile">{t('reconcile.all')}</Link> ·{' '}
            {t('reconcile.made', { at: row.name, took: duration(row.took_ms, locale) })} ·{' '}
            {t('reconcile.version', { version: query.data.tandem })}
            {row.since !== null && <> · {t('reconcile.sinceSaid', { day: day(row.since, locale) })}</>}
          </>
        )
      }
      actions={query.data && <Files of={query.data} />}
    >
      <Loaded query={query}>
        {(report) => (
          <>
            <Card title={t('reconcile.compared')} flush>
              <Verdict of={report.summary} />
              <Comparisons of={report} chosen={one?.of} />
            </Card>
            {one && <One key={`${one.flow.flow} ${one.of.name}`} report={report} of={one} />}
          </>
        )}
      </Loaded>
    </Page>
  );
}

const FILES = {
  'report.html': 'reconcile.print',
  'differences.csv': 'reconcile.file.differences',
  'sums.csv': 'reconcile.file.sums',
  'report.json': 'reconcile.file.report',
  'differences.jsonl': 'reconcile.file.lines',
} as const;

function Files({ of: report }: { of: Report }) {
  const { t } = useWords();
  const known = (Object.keys(FILES) as (keyof typeof FILES)[]).filter((file) => report.files.includes(file));
  return known.map((file) => {
    const isPage = file.endsWith('.html');
    return (
      <a
        key={file}
        className="way"
        href={`/api/v1/reconcile/reports/${encodeURIComponent(report.summary.name)}/files/${file}`}
        {...(isPage ? { target: '_blank', rel: 'noreferrer' } : { download: true })}
      >
        {t(FILES[file])}
      </a>
    );
  });
}

const COUNTS = ['differing', 'missing_in_b1', 'missing_in_salesforce', 'double', 'alone'] as const;

function One({ report, of: chosen }: { report: Report; of: Chosen }) {
  const { t } = useWords();
  const locale = useLocale();
  const { flow, of } = chosen;
  const title = `${flow.flow}: ${of.title || of.name}`;
  if (of.not_whole !== undefined) {
    return (
      <Card title={title} says={flow.plugin}>
        <p className="bad-text">{of.not_whole}</p>
        <p>{t('reconcile.notWholeSays')}</p>
      </Card>
    );
  }
  const counts = COUNTS.filter((name) => of[name] > 0);
  return (
    <Card
      title={title}
      says={`${flow.plugin} · SAP Business One: ${flow.b1} · Salesforce: ${flow.salesforce}`}
      flush={all(of) > 0}
    >
      <div className={all(of) > 0 ? 'stack tight beneath' : 'stack tight'}>
        {counts.length > 0 && (
          <Facts of={counts.map((name) => [t(`reconcile.counts.${name}`), number(of[name], locale)] as const)} />
        )}
        {of.left_out?.map((left) => (
          <p key={left.why} className="soft">
            {t('reconcile.leftOut', { count: left.count, why: left.why })}
          </p>
        ))}
        {of.not_again > 0 && <p className="soft">{t('reconcile.notAgain', { count: of.not_again })}</p>}
        <Sums of={of.sums} />
      </div>
      <Differences report={report} chosen={chosen} />
    </Card>
  );
}
