// What stands where there is no page, or where one broke.
import { Link } from '../way/way.tsx';
import { useWords } from '../words/words.ts';
import { Empty } from './empty.tsx';
import { kinds } from './icons.ts';
import { Page } from './page.tsx';
import { Problem } from './problem.tsx';

export function NotFound() {
  const { t } = useWords();
  return (
    <Page title={t('notFound.title')}>
      <Empty icon={kinds} title={t('notFound.title')} says={t('notFound.says')}>
        <Link to="/">{t('overview.title')}</Link>
      </Empty>
    </Page>
  );
}

export function Trouble({ error }: { error: unknown }) {
  const { t } = useWords();
  return (
    <Page title={t('problem.page')}>
      <Problem of={error} />
      <p>
        <a href={location.href}>{t('problem.again')}</a>
      </p>
    </Page>
  );
}

/** Said in place of a page that the role may not see. */
export function NotForYou({ role }: { role: string }) {
  const { t } = useWords();
  return (
    <Page title={t('notForYou.title')}>
      <Empty icon={kinds} title={t('notForYou.title')} says={t('notForYou.says', { role })} />
    </Page>
  );
}
