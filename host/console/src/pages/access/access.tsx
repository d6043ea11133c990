// Who may see and do what: accounts, tokens of scripts, sessions that are open, and all that was done.
import { useSaid, useSay } from '../../way/way.tsx';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { useWords } from '../../words/words.ts';
import { useMay } from '../../parts/me.ts';
import { NotForYou } from '../../parts/no-page.tsx';
import { Page } from '../../parts/page.tsx';
import { Sessions } from '../account/sessions.tsx';
import { Accounts } from './accounts.tsx';
import { Audit } from './audit.tsx';
import { Tokens } from './tokens.tsx';

const TABS = ['accounts', 'tokens', 'sessions', 'audit'] as const;

export default function Access() {
  const { t } = useWords();
  const look = useSay('/access');
  const search = useSaid('/access');
  const tab = TABS.find((one) => one === search.tab) ?? 'accounts';
  if (!useMay('admin')) return <NotForYou role="admin" />;
  return (
    <Page title={t('access.title')} says={t('access.says')}>
      <div>
        <SegmentedButton accessibleName={t('access.title')}>
          {TABS.map((one) => (
            <SegmentedButtonItem
              key={one}
              selected={one === tab}
              onClick={() => look(one === 'accounts' ? {} : { tab: one })}
            >
              {t(`access.${one}`)}
            </SegmentedButtonItem>
          ))}
        </SegmentedButton>
      </div>
      {tab === 'accounts' && <Accounts />}
      {tab === 'tokens' && <Tokens />}
      {tab === 'sessions' && <Sessions />}
      {tab === 'audit' && <Audit />}
    </Page>
  );
}
