// What changes what is live: making a release live, going back, granting what it asks for.
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useState } from 'react';
import { api } from '../../api/client.ts';
import type { Activated, ReleaseDetail } from '../../api/types.ts';
import type { Question } from '../../parts/act.tsx';
import { useWords } from '../../words/words.ts';
import { short } from './standing.tsx';

type Ask = (question: Question) => void;
const at = (flow: string) => `/flows/${encodeURIComponent(flow)}`;

/** Asks, and goes back to the release that was live before. */
export function useRollBack(ask: Ask) {
  const { t } = useWords();
  const [done, setDone] = useState<Activated>();
  const rollBack = (flow: string, live: string, back: string) =>
    ask({
      title: t('release.back'),
      text: t('release.backText', { flow, live: short(live), back: short(back) }),
      confirm: t('release.backGo', { back: short(back) }),
      danger: true,
      reason: 'wished',
      go: async (why) => {
        setDone(await api.post<Activated>(`${at(flow)}/rollback`, { why, instead_of: live }));
        return undefined;
      },
      said: t('release.backSaid', { back: short(back) }),
    });
  return { rollBack, done };
}

export function useActivate(ask: Ask) {
  const { t } = useWords();
  const [done, setDone] = useState<Activated>();
  const activate = (flow: string, release: string, live: string | null, why?: string) =>
    ask({
      title: t('release.activate'),
      text: t('release.activateText', { flow, release: short(release) }),
      confirm: t('release.activate'),
      reason: 'needed',
      ...(why !== undefined && { why }),
      go: async (why) => {
        setDone(
          await api.post<Activated>(`${at(flow)}/releases/${encodeURIComponent(release)}/activate`, {
            why,
            instead_of: live,
          }),
        );
        return undefined;
      },
      said: t('release.activated', { release: short(release) }),
    });
  return { activate, done };
}

export function useGrant(ask: Ask) {
  const { t } = useWords();
  return (flow: string, release: ReleaseDetail) => {
    const lacking = release.codes.flatMap((code) =>
      code.permissions.filter((one) => !one.granted).map((one) => ({ ...one, code: code.name })),
    );
    ask({
      title: t('release.grant'),
      text: (
        <>
          <p>{t('release.grantText', { count: lacking.length })}</p>
          <ul className="sentences">
            {lacking.map((one) => (
              <li key={`${one.code} ${one.connection} ${one.method} ${one.path}`}>
                {one.code}: {one.connection} <span className="code">{`${one.method} ${one.path}`}</span>
                <div className="soft">{one.reason}</div>
              </li>
            ))}
          </ul>
        </>
      ),
      confirm: t('release.grantGo', { count: lacking.length }),
      danger: true,
      reason: 'wished',
      go: async (why) => {
        await api.post<ReleaseDetail>(`${at(flow)}/releases/${encodeURIComponent(release.release)}/grant`, {
          permissions: release.missing,
          why,
        });
        return undefined;
      },
      said: t('release.granted'),
    });
  };
}

/** Says what became live, and which files say the same now. */
export function DoneStrip({ of }: { of: Activated | undefined }) {
  const { t } = useWords();
  if (!of) return null;
  return (
    <div role="status">
      <MessageStrip design={of.unwritten === null ? 'Positive' : 'Critical'} hideCloseButton>
        {t('release.isLive', { release: short(of.release) })}{' '}
        {of.unwritten !== null
          ? t('release.unwritten', { why: of.unwritten })
          : of.files.length > 0 && t('release.files', { files: of.files.join(', ') })}
      </MessageStrip>
    </div>
  );
}
