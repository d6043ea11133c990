// The fields of each kind of connection.
import { Label } from '@ui5/webcomponents-react/Label';
import { SegmentedButton } from '@ui5/webcomponents-react/SegmentedButton';
import { SegmentedButtonItem } from '@ui5/webcomponents-react/SegmentedButtonItem';
import { Button } from '@ui5/webcomponents-react/Button';
import type { B1Settings, ConnectionSettings, SalesforceSettings, SecretWay } from '../../api/types.ts';
import { Opens } from '../../parts/opens.tsx';
import { useWords } from '../../words/words.ts';
import { Field } from './field.tsx';
import { fingerprint } from './fingerprint.ts';
import { PrivateKey } from './private-key.tsx';
import { isTimeZone } from './settings.ts';

export interface Draft {
  name: string;
  settings: ConnectionSettings;
  way: SecretWay;
  secret: string;
}

interface Props<S> {
  of: Draft;
  settings: S;
  change: (to: Partial<Draft>) => void;
  /** It is not saved yet: its name may be chosen. */
  fresh: boolean;
  /** What stands in place of a secret that is kept. */
  kept: string;
  needsSecret: boolean;
  wrong: (field: string) => string | undefined;
}

export function B1Fields({ of, settings, change, fresh, kept, needsSecret, wrong }: Props<B1Settings>) {
  const { t } = useWords();
  const set = (to: Partial<B1Settings>) => change({ settings: { ...settings, ...to } });
  return (
    <>
      <div className="form">
        <Field
          label={t('connect.url')}
          required
          value={settings.url}
          placeholder="https://server:50000/b1s/v2"
          help={t('connect.urlHelp')}
          wrong={wrong('url')}
          onChange={(url) => set({ url })}
        />
        <Field
          label={t('connect.company')}
          required
          value={settings.company}
          placeholder="SBO_…"
          help={t('connect.companyHelp')}
          wrong={wrong('company')}
          onChange={(company) => set({ company })}
        />
        <Field
          label={t('connect.user')}
          required
          value={settings.user}
          help={t('connect.userHelp')}
          wrong={wrong('user')}
          onChange={(user) => set({ user })}
        />
        <Field
          label={t('connect.password')}
          secret
          required={needsSecret}
          value={of.secret}
          placeholder={kept}
          wrong={wrong('secret')}
          onChange={(secret) => change({ secret })}
        />
        <Field
          label={t('connect.zone')}
          value={settings.time_zone}
          help={t('connect.zoneHelp')}
          wrong={isTimeZone(settings.time_zone) ? wrong('time_zone') : t('connect.zoneWrong')}
          onChange={(time_zone) => set({ time_zone })}
        />
      </div>
      <Opens label={t('connect.more')}>
        <div className="form">
          <Common of={of} settings={settings} change={change} fresh={fresh} wrong={wrong} />
        </div>
      </Opens>
    </>
  );
}

export function SalesforceFields({ of, settings, change, fresh, kept, needsSecret, wrong }: Props<SalesforceSettings>) {
  const { t } = useWords();
  const set = (to: Partial<SalesforceSettings>) => change({ settings: { ...settings, ...to } });
  const byKey = of.way === 'private_key';
  return (
    <>
      <div className="form">
        <Field
          label={t('connect.domain')}
          required
          value={settings.login_url}
          placeholder="https://yours.my.salesforce.com"
          help={t('connect.domainHelp')}
          wrong={wrong('login_url')}
          onChange={(login_url) => set({ login_url })}
        />
        <Field
          label={t('connect.consumer')}
          required
          value={settings.client_id}
          help={t('connect.consumerHelp')}
          wrong={wrong('client_id')}
          onChange={(client_id) => set({ client_id })}
        />
        <div className="field">
          <Label showColon>{t('connect.way')}</Label>
          <div>
            <SegmentedButton accessibleName={t('connect.way')}>
              {(['client_secret', 'private_key'] as const).map((way) => (
                <SegmentedButtonItem
                  key={way}
                  selected={way === of.way}
                  onClick={() =>
                    way !== of.way &&
                    change({
                      way,
                      secret: '',
                      settings: { ...settings, username: way === 'private_key' ? (settings.username ?? '') : null },
                    })
                  }
                >
                  {t(`connect.ways.${way}`)}
                </SegmentedButtonItem>
              ))}
            </SegmentedButton>
          </div>
          <p className="soft small">{t(byKey ? 'connect.keySays' : 'connect.secretSays')}</p>
        </div>
        {byKey ? (
          <>
            <Field
              label={t('connect.user')}
              required
              value={settings.username ?? ''}
              help={t('connect.usernameHelp')}
              wrong={wrong('username')}
              onChange={(username) => set({ username })}
            />
            <PrivateKey
              value={of.secret}
              required={needsSecret}
              placeholder={kept}
              wrong={wrong('secret')}
              onChange={(secret) => change({ secret })}
            />
          </>
        ) : (
          <Field
            label={t('connect.secret')}
            secret
            required={needsSecret}
            value={of.secret}
            placeholder={kept}
            wrong={wrong('secret')}
            onChange={(secret) => change({ secret })}
          />
        )}
      </div>
      <Opens label={t('connect.more')}>
        <div className="form">
          <Field
            label={t('connect.namespace')}
            value={settings.namespace}
            help={t('connect.namespaceHelp')}
            wrong={wrong('namespace')}
            onChange={(namespace) => set({ namespace })}
          />
          <Field
            label={t('connect.pubsub')}
            value={settings.pubsub_url ?? ''}
            placeholder="https://api.pubsub.salesforce.com:7443"
            help={t('connect.pubsubHelp')}
            wrong={wrong('pubsub_url')}
            onChange={(url) => set({ pubsub_url: url === '' ? null : url })}
          />
          <Common of={of} settings={settings} change={change} fresh={fresh} wrong={wrong} />
        </div>
      </Opens>
    </>
  );
}

/** What both kinds have, and few need. */
function Common({ of, settings, change, fresh, wrong }: Omit<Props<ConnectionSettings>, 'kept' | 'needsSecret'>) {
  const { t } = useWords();
  return (
    <>
      {fresh && (
        <Field
          label={t('connect.name')}
          value={of.name}
          help={t('connect.nameHelp')}
          wrong={wrong('name')}
          onChange={(name) => change({ name })}
        />
      )}
      <Field
        label={t('connect.ca')}
        value={settings.ca_file ?? ''}
        help={t('connect.caHelp')}
        wrong={wrong('ca_file')}
        onChange={(file) => change({ settings: { ...settings, ca_file: file === '' ? null : file } })}
      />
      {settings.pin_sha256 !== null && (
        <div className="field">
          <Label showColon>{t('connect.pin')}</Label>
          <p className="code fingerprint">
            {fingerprint(settings.pin_sha256).map((group) => (
              <span key={group}>{group}</span>
            ))}
          </p>
          <div>
            <Button onClick={() => change({ settings: { ...settings, pin_sha256: null } })}>
              {t('connect.unpin')}
            </Button>
          </div>
        </div>
      )}
    </>
  );
}
