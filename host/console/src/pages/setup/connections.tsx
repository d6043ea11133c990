// The connections of one kind: mostly one; several where there are several companies or orgs.
import { Button } from '@ui5/webcomponents-react/Button';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { useCallback, useState } from 'react';
import type { Setup, Side } from '../../api/types.ts';
import { add } from '../../parts/icons.ts';
import { Card } from '../../parts/page.tsx';
import { useWords } from '../../words/words.ts';
import { Connection } from './connection.tsx';

/** A form: it stays the same one when what it holds gets its name. */
interface Slot {
  id: string;
  name: string | null;
}

interface Props {
  kind: Side;
  setup: Setup;
  onTyped: (id: string, typed: boolean) => void;
}

export function Connections({ kind, setup, onTyped }: Props) {
  const { t } = useWords();
  const known = setup.connections.filter((one) => one.settings.kind === kind).map((one) => one.name);
  const [own, setOwn] = useState<Slot[]>(() =>
    known.length > 0 ? known.map((name) => ({ id: `${kind} ${name}`, name })) : [{ id: `${kind} new`, name: null }],
  );
  // What somebody else made meanwhile stands behind.
  const slots = [
    ...own,
    ...known.filter((name) => !own.some((one) => one.name === name)).map((name) => ({ id: `${kind} ${name}`, name })),
  ];
  const [chosen, choose] = useState(slots[0]?.id);
  const gone = (id: string) => {
    const left = slots.filter((one) => one.id !== id);
    const next = left.length > 0 ? left : [{ id: `${kind} new ${slots.length}`, name: null }];
    setOwn(next);
    choose(next[0]?.id);
  };
  const more = () => {
    const id = `${kind} new ${slots.length}`;
    setOwn([...slots, { id, name: null }]);
    choose(id);
  };
  return (
    <Card
      title={t(`side.${kind}`)}
      says={t(`connect.says.${kind}`)}
      actions={
        slots.every((one) => one.name !== null) && (
          <Button icon={add} design="Transparent" onClick={more}>
            {t(`connect.another.${kind}`)}
          </Button>
        )
      }
    >
      <div className="stack">
        {slots.length > 1 && (
          <div>
            <SegmentedButton accessibleName={t('connect.which')}>
              {slots.map((one) => (
                <SegmentedButtonItem key={one.id} selected={one.id === chosen} onClick={() => choose(one.id)}>
                  {one.name ?? t('connect.fresh')}
                </SegmentedButtonItem>
              ))}
            </SegmentedButton>
          </div>
        )}
        {slots.map((slot) => (
          <div key={slot.id} hidden={slot.id !== chosen}>
            <One
              slot={slot}
              kind={kind}
              setup={setup}
              onTyped={onTyped}
              onSaved={(name) => setOwn(slots.map((one) => (one.id === slot.id ? { ...one, name } : one)))}
              onGone={() => gone(slot.id)}
            />
          </div>
        ))}
      </div>
    </Card>
  );
}

interface OneProps extends Props {
  slot: Slot;
  onSaved: (name: string) => void;
  onGone: () => void;
}

function One({ slot, kind, setup, onSaved, onGone, onTyped }: OneProps) {
  const { id } = slot;
  const tell = useCallback((typed: boolean) => onTyped(id, typed), [id, onTyped]);
  return (
    <Connection
      kind={kind}
      setup={setup}
      of={setup.connections.find((one) => one.name === slot.name)}
      onSaved={onSaved}
      onGone={onGone}
      onTyped={tell}
    />
  );
}
