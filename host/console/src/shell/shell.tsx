// What stands around each page: the bar with what concerns the person, and the way to the other pages.
import { useQuery } from '@tanstack/react-query';
import { useGo, usePath } from '../way/way.tsx';
import { Avatar } from '@ui5/webcomponents-react/Avatar';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { ShellBar } from '@ui5/webcomponents-react/ShellBar';
import { ShellBarBranding } from '@ui5/webcomponents-react/ShellBarBranding';
import { SideNavigation } from '@ui5/webcomponents-react/SideNavigation';
import { SideNavigationItem } from '@ui5/webcomponents-react/SideNavigationItem';
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { useWords } from '../words/words.ts';
import { overview } from '../api/queries.ts';
import type { Me, Role } from '../api/types.ts';
import picture from '../look/tandem.svg';
import * as icons from '../parts/icons.ts';
import { may, maySetUp } from '../parts/me.ts';
import { Said } from '../parts/say.tsx';
import { PersonMenu } from './person-menu.tsx';
import { useLive } from './use-live.ts';

const PAGES = [
  { to: '/', name: 'overview.title', icon: icons.overview, least: 'viewer' },
  { to: '/reviews', name: 'reviews.title', icon: icons.reviews, least: 'viewer' },
  { to: '/events', name: 'events.title', icon: icons.events, least: 'viewer' },
  { to: '/kinds', name: 'kinds.title', icon: icons.kinds, least: 'viewer' },
  { to: '/explain', name: 'explain.title', icon: icons.explain, least: 'viewer' },
  { to: '/reconcile', name: 'reconcile.title', icon: icons.reconcile, least: 'viewer' },
  { to: '/agents', name: 'agents.title', icon: icons.agents, least: 'reviewer' },
  { to: '/mapping', name: 'mapping.title', icon: icons.mapping, least: 'viewer' },
  { to: '/flows', name: 'flows.title', icon: icons.flows, least: 'viewer' },
  { to: '/setup', name: 'setup.title', icon: icons.setup, least: 'admin' },
  { to: '/access', name: 'access.title', icon: icons.access, least: 'admin' },
] as const satisfies readonly { to: string; name: string; icon: string; least: Role }[];

/** Below this the navigation shows its icons alone; on a phone it opens over the page. */
const NARROW = matchMedia('(max-width: 1100px)');
const PHONE = matchMedia('(max-width: 700px)');

export function Shell({ me, children }: { me: Me; children: ReactNode }) {
  const { t } = useWords();
  const go = useGo();
  const at = usePath();
  const live = useLive();
  const state = useQuery(overview).data;
  const [open, setOpen] = useState(!NARROW.matches);
  const [person, setPerson] = useState<HTMLElement>();
  const main = useRef<HTMLElement>(null);

  useEffect(() => {
    const fit = () => setOpen(!NARROW.matches);
    NARROW.addEventListener('change', fit);
    return () => NARROW.removeEventListener('change', fit);
  }, []);
  useEffect(() => {
    main.current?.scrollTo(0, 0);
  }, [at]);

  const counts: Partial<Record<(typeof PAGES)[number]['to'], number>> = {
    '/reviews': state?.flows.reduce((sum, flow) => sum + flow.reviews, 0),
  };
  const show = (to: (typeof PAGES)[number]['to']) => {
    if (PHONE.matches) setOpen(false);
    go({ to });
  };

  return (
    <div className={open ? 'shell open' : 'shell'}>
      <a
        className="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t('shell.skip')}
      </a>
      <ShellBar
        startButton={
          <Button
            icon={icons.menu}
            accessibleName={t('shell.menu')}
            tooltip={t('shell.menu')}
            accessibilityAttributes={{ expanded: open }}
            onClick={() => setOpen(!open)}
          />
        }
        branding={
          <ShellBarBranding
            accessibleName="Tandem"
            href="/"
            logo={<img src={picture} alt="" />}
            onClick={(event) => {
              event.preventDefault();
              go({ to: '/' });
            }}
          >
            Tandem
          </ShellBarBranding>
        }
        profile={<Avatar initials={me.name.slice(0, 2).toUpperCase()} accessibleName={me.name} />}
        accessibilityAttributes={{ profile: { name: t('shell.person', { name: me.name }) } }}
        onProfileClick={(event) => setPerson(event.detail.targetRef)}
      />
      <PersonMenu me={me} opener={person} close={() => setPerson(undefined)} />
      <div className="shell-body">
        <nav className="shell-nav" aria-label={t('shell.pages')}>
          <SideNavigation
            collapsed={!open}
            accessibleName={t('shell.pages')}
            onSelectionChange={(event) => event.preventDefault()}
          >
            {PAGES.filter((page) => (page.to === '/setup' ? maySetUp(me) : may(me.role, page.least))).map((page) => (
              <SideNavigationItem
                key={page.to}
                text={counts[page.to] ? `${t(page.name)} (${counts[page.to]})` : t(page.name)}
                icon={page.icon}
                href={page.to}
                selected={page.to === '/' ? at === '/' : at.startsWith(page.to)}
                onClick={(event) => {
                  event.preventDefault();
                  show(page.to);
                }}
              />
            ))}
          </SideNavigation>
        </nav>
        <button className="shell-veil" aria-label={t('close')} onClick={() => setOpen(false)} />
        <main className="shell-main" id="content" ref={main} tabIndex={-1}>
          {live === false && (
            <div className="strip" role="status">
              <MessageStrip design="Critical" hideCloseButton>
                {t('shell.notLive')}
              </MessageStrip>
            </div>
          )}
          {children}
        </main>
      </div>
      <Said />
    </div>
  );
}
