// One connection: its form, what a look at it finds, its certificate, and what must be made in the company.
import { useQueryClient } from '@tanstack/react-query';
import { BusyIndicator } from '@ui5/webcomponents-react/BusyIndicator';
import { Button } from '@ui5/webcomponents-react/Button';
import { MessageStrip } from '@ui5/webcomponents-react/MessageStrip';
import { useEffect, useRef, useState } from 'react';
import { api, Refused } from '../../api/client.ts';
import { setup as setupQuery } from '../../api/queries.ts';
import type { ConnectionPut, Look, Setup, SetupConnection, Side } from '../../api/types.ts';
import { useAct } from '../../parts/act.tsx';
import { Problem } from '../../parts/problem.tsx';
import { say } from '../../parts/say.tsx';
import { useWords } from '../../words/words.ts';
import { CertificateView } from './certificate.tsx';
import { B1Fields, SalesforceFields, type Draft } from './fields.tsx';
import { Findings } from './findings.tsx';
import { Provision } from './provision.tsx';
import { blank, filled, FIRST_NAME, FIRST_WAY, isTimeZone, needsSecret, sameSettings, trimmed } from './settings.ts';
import { TakenUp } from './taken-up.tsx';

interface Props {
  kind: Side;
  setup: Setup;
  /** As it is saved. */
  of: SetupConnection | undefined;
  onSaved: (name: string) => void;
  /** Told when it was taken out. */
  onGone: () => void;
  /** Told whether something is typed that is not saved. */
  onTyped: (typed: boolean) => void;
}

export function Connection({ kind, setup, of, onSaved, onGone, onTyped }: Props) {
  const { t } = useWords();
  const client = useQueryClient();
  const [draft, setDraft] = useState<Draft>(() => ({
    name: of?.name ?? freeName(kind, setup),
    settings: of?.settings ?? blank(kind, setup.time_zone),
    way: of?.way ?? FIRST_WAY[kind],
    secret: '',
  }));
  const [found, setFound] = useState<{ look: Look; of: Draft }>();
  const [busy, setBusy] = useState<'look' | 'save'>();
  const [trouble, setTrouble] = useState<unknown>();
  // What was there when the form was opened, or saved: somebody else's change of it since is not undone.
  const [opened, setOpened] = useState(of?.settings);
  const acts = useRef<HTMLDivElement>(null);
  const { settings, way, secret, name } = draft;

  const typed =
    secret !== '' ||
    way !== (of?.way ?? FIRST_WAY[kind]) ||
    !sameSettings(settings, of?.settings ?? blank(kind, setup.time_zone));
  useEffect(() => {
    onTyped(typed);
    return () => onTyped(false);
  }, [typed, onTyped]);

  const mustGive = needsSecret(of, settings, way);
  // A new one must not take the place of one that is there.
  const taken = of === undefined && setup.connections.some((one) => one.name === name);
  const ready =
    busy === undefined &&
    !taken &&
    filled(settings, way) &&
    (secret !== '' || !mustGive) &&
    (settings.kind !== 'b1' || isTimeZone(settings.time_zone));
  // What was found holds until something is changed.
  const holds = found?.of === draft;
  const good = holds && found.look.findings.every((one) => one.state !== 'wrong');
  const field = trouble instanceof Refused ? trouble.problem.field : undefined;
  const wrong = (name: string) => {
    if (name === 'name' && taken) return t('connect.nameTaken');
    return field === name && trouble instanceof Refused ? trouble.problem.error : undefined;
  };

  const change = (to: Partial<Draft>) => {
    setTrouble(undefined);
    setDraft((now) => ({ ...now, ...to }));
  };
  const attempt = async (what: 'look' | 'save', does: () => Promise<void>) => {
    setBusy(what);
    setTrouble(undefined);
    try {
      await does();
    } catch (why) {
      setTrouble(why);
    } finally {
      setBusy(undefined);
    }
  };
  const look = (at: Draft) =>
    attempt('look', async () => {
      setFound({ look: await api.post<Look>('/setup/look', { name: at.name, ...put(at) }), of: at });
    });
  const trust = (pin_sha256: string) => {
    const trusting = { ...draft, settings: { ...settings, pin_sha256 } };
    setDraft(trusting);
    // The button that was pressed goes: what is to be done next stands here.
    acts.current?.focus();
    void look(trusting);
  };
  const save = () =>
    attempt('save', async () => {
      const saved = await api.put<SetupConnection>(`/setup/connections/${encodeURIComponent(name)}`, {
        ...put(draft),
        ...(opened ? { instead_of: opened } : { new: true }),
      } satisfies ConnectionPut);
      setOpened(saved.settings);
      // The secret leaves the page; what was found holds for what is saved.
      const kept: Draft = { name: saved.name, settings: saved.settings, way: saved.way, secret: '' };
      // Whoever typed on meanwhile keeps that.
      setDraft((now) => (now === draft ? kept : { ...now, secret: now.secret === secret ? '' : now.secret }));
      if (found && holds) setFound({ look: found.look, of: kept });
      client.setQueryData(
        setupQuery.queryKey,
        (now) => now && { ...now, connections: withSaved(now.connections, saved) },
      );
      onSaved(saved.name);
      say(t('connect.saved'));
      await client.invalidateQueries({ queryKey: setupQuery.queryKey });
    });

  const { ask, dialog } = useAct();
  const remove = (name: string) =>
    ask({
      title: t('connect.remove'),
      text: t('connect.removeText', { name }),
      confirm: t('connect.remove'),
      danger: true,
      go: async () => {
        await api.remove(`/setup/connections/${encodeURIComponent(name)}`);
        return undefined;
      },
      then: onGone,
      said: t('connect.removed', { name }),
    });
  const isUsed = setup.flows.some((flow) => Object.values(flow.connections).includes(of?.name ?? ''));

  const props = {
    of: draft,
    change,
    fresh: of === undefined,
    kept: of && !mustGive ? t('connect.kept', { where: of.kept }) : '',
    needsSecret: mustGive,
    wrong,
  };
  return (
    <div className="stack">
      {settings.kind === 'b1' ? (
        <B1Fields {...props} settings={settings} />
      ) : (
        <SalesforceFields {...props} settings={settings} />
      )}
      <div className="actions acts" ref={acts} tabIndex={-1}>
        <Button design={holds ? 'Default' : 'Emphasized'} disabled={!ready} onClick={() => void look(draft)}>
          {t('connect.look')}
        </Button>
        <Button
          design={good && typed ? 'Emphasized' : 'Default'}
          disabled={!ready || !typed}
          onClick={() => void save()}
        >
          {t('save')}
        </Button>
        {typed && of && (
          <Button design="Transparent" onClick={() => change({ settings: of.settings, way: of.way, secret: '' })}>
            {t('settings.undo')}
          </Button>
        )}
        {of && !isUsed && (
          <Button
            design="Transparent"
            accessibleName={t('connect.removeOf', { name: of.name })}
            onClick={() => remove(of.name)}
          >
            {t('connect.remove')}
          </Button>
        )}
      </div>
      <div className="stack" aria-live="polite">
        {busy === 'look' && <BusyIndicator active delay={0} text={t('connect.looking')} textPlacement="Bottom" />}
        {found && busy !== 'look' && (
          <>
            {!holds && (
              <MessageStrip design="Information" hideCloseButton>
                {t('connect.stale')}
              </MessageStrip>
            )}
            <Findings of={found.look.findings} />
            {found.look.certificate && holds && (
              <CertificateView
                of={found.look.certificate}
                pinned={settings.pin_sha256}
                busy={busy !== undefined}
                trust={() => trust(found.look.certificate?.sha256 ?? '')}
              />
            )}
          </>
        )}
      </div>
      <Problem of={trouble} />
      {of && !of.live && <TakenUp refused={setup.refused} />}
      {kind === 'b1' && of && (
        <Provision
          of={of}
          then={() => {
            if (found && holds) void look(draft);
          }}
        />
      )}
      {dialog}
    </div>
  );
}

function put({ settings, way, secret }: Draft): ConnectionPut {
  return { settings: trimmed(settings), way, ...(secret !== '' && { secret }) };
}

function withSaved(of: SetupConnection[], saved: SetupConnection): SetupConnection[] {
  return of.some((one) => one.name === saved.name)
    ? of.map((one) => (one.name === saved.name ? saved : one))
    : [...of, saved];
}

/** A name that no connection has yet. */
function freeName(kind: Side, { connections }: Setup): string {
  const taken = (name: string) => connections.some((one) => one.name === name);
  let name = FIRST_NAME[kind];
  for (let n = 2; taken(name); n++) name = `${FIRST_NAME[kind]}-${n}`;
  return name;
}
