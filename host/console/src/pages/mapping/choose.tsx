// Which flow's mapping.
import { useQuery } from '@tanstack/react-query';
import { Title } from '@ui5/webcomponents-react/Title';
import { flows as flowsQuery } from '../../api/queries.ts';
import { Empty } from '../../parts/empty.tsx';
import { mapping as icon } from '../../parts/icons.ts';
import { Loaded } from '../../parts/loaded.tsx';
import { Page } from '../../parts/page.tsx';
import { Link } from '../../way/way.tsx';
import { useWords } from '../../words/words.ts';

export default function Choose() {
  const { t } = useWords();
  const query = useQuery(flowsQuery);
  return (
    <Page title={t('mapping.title')} says={t('mapping.chooseSays')}>
      <Loaded query={query}>
        {(flows) =>
          flows.length === 0 ? (
            <Empty icon={icon} title={t('flows.none')} says={t('overview.noFlows')} />
          ) : (
            <ul className="plain cards">
              {flows.map((flow) => (
                <li key={flow.flow} className="card flow-card">
                  <Title level="H2" size="H5">
                    <Link to="/mapping/$id" params={{ id: flow.flow }}>
                      {flow.flow}
                    </Link>
                  </Title>
                  <p className="soft">{flow.title}</p>
                  <p className="small">
                    {flow.mapping_file === null ? (
                      t('mapping.ownFile')
                    ) : (
                      <span className="code">{flow.mapping_file}</span>
                    )}
                  </p>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
    </Page>
  );
}
