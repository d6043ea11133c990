// Which flow's mapping.
import { useQuery } from '@tanstack/react-query';
import { Link } from '../../way/way.tsx';
import { flows as flowsQuery } from '../../api/queries.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Page } from '../../parts/page.tsx';
import { useWords } from '../../words/words.ts';

export default function Choose() {
  const { t } = useWords();
  const query = useQuery(flowsQuery);
  return (
    <Page title={t('mapping.title')}>
      <Loaded query={query}>
        {(flows) => (
          <ul className="rows card">
            {flows.map((flow) => (
              <li key={flow.flow} className="row-item">
                <Link to="/mapping/$id" params={{ id: flow.flow }}>
                  {flow.flow}
                </Link>
              </li>
            ))}
          </ul>
        )}
      </Loaded>
    </Page>
  );
}
