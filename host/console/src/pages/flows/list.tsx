// The releases of a flow, by what each is to it.
import { Table } from '@ui5/webcomponents-react/Table';
import { TableCell } from '@ui5/webcomponents-react/TableCell';
import { TableHeaderCell } from '@ui5/webcomponents-react/TableHeaderCell';
import { TableHeaderRow } from '@ui5/webcomponents-react/TableHeaderRow';
import { TableRow } from '@ui5/webcomponents-react/TableRow';
import type { ReleaseRow, Standing } from '../../api/types.ts';
import { useNarrow } from '../../parts/narrow.ts';
import { Time } from '../../parts/time.tsx';
import { useWords } from '../../words/words.ts';
import { ReleaseLink, StandingMark } from './standing.tsx';

const ORDER: readonly Standing[] = ['live', 'candidate', 'known', 'taken-back', 'earlier'];

interface Props {
  flow: string;
  of: ReleaseRow[];
}

export function ReleaseList({ flow, of }: Props) {
  const narrow = useNarrow();
  const sorted = ORDER.flatMap((standing) => of.filter((one) => one.standing === standing));
  return narrow ? <List flow={flow} of={sorted} /> : <Wide flow={flow} of={sorted} />;
}

function Wide({ flow, of }: Props) {
  const { t } = useWords();
  return (
    <Table
      accessibleName={t('flows.releases')}
      overflowMode="Popin"
      noDataText={t('nothing')}
      headerRow={
        <TableHeaderRow>
          <TableHeaderCell minWidth="8rem" width="9rem" importance={3}>
            <span>{t('release.one')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="8rem" width="10rem" importance={3}>
            <span>{t('release.standing')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="9rem" width="12rem" importance={1}>
            <span>{t('release.plugin')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="14rem" importance={1}>
            <span>{t('release.origin')}</span>
          </TableHeaderCell>
          <TableHeaderCell minWidth="14rem" importance={2}>
            <span>{t('release.last')}</span>
          </TableHeaderCell>
        </TableHeaderRow>
      }
    >
      {of.map((one) => (
        <TableRow key={one.release} rowKey={one.release}>
          <TableCell>
            <ReleaseLink flow={flow} release={one.release} />
          </TableCell>
          <TableCell>
            <StandingMark of={one.standing} />
          </TableCell>
          <TableCell>
            <span>
              {one.plugin.name} {one.plugin.version}
              {one.mapper && (
                <span className="soft">
                  {' '}
                  + {one.mapper.name} {one.mapper.version}
                </span>
              )}
            </span>
          </TableCell>
          <TableCell>
            <Origin of={one} />
          </TableCell>
          <TableCell>
            <Last of={one} />
          </TableCell>
        </TableRow>
      ))}
    </Table>
  );
}

/** The same on a phone. */
function List({ flow, of }: Props) {
  const { t } = useWords();
  return (
    <ul className="rows" aria-label={t('flows.releases')}>
      {of.map((one) => (
        <li key={one.release} className="row-item">
          <div className="row-what">
            <p className="row-first">
              <ReleaseLink flow={flow} release={one.release} />
              <StandingMark of={one.standing} />
            </p>
            <p>
              {one.plugin.name} {one.plugin.version}
            </p>
            <Origin of={one} />
            <Last of={one} />
          </div>
        </li>
      ))}
    </ul>
  );
}

function Origin({ of: one }: { of: ReleaseRow }) {
  return (
    <div>
      <span className="words">{one.origin}</span>
      <div className="soft small">
        <Time at={one.made_at} />
      </div>
    </div>
  );
}

function Last({ of: one }: { of: ReleaseRow }) {
  const { t } = useWords();
  if (one.held) return <span className="words">{one.held}</span>;
  if (!one.live_at) return <span className="soft">{t('release.never')}</span>;
  return (
    <div>
      <span>
        <Time at={one.live_at} /> {one.who && t('release.by', { who: one.who })}
      </span>
      {one.why && <div className="soft small">{one.why}</div>}
    </div>
  );
}
