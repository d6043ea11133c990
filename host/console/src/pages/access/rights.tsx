// Role and flows, as accounts and tokens have them.
import { useQuery } from '@tanstack/react-query';
import { CheckBox } from '@ui5/webcomponents-react/CheckBox';
import { Label } from '@ui5/webcomponents-react/Label';
import { Option } from '@ui5/webcomponents-react/Option';
import { Select } from '@ui5/webcomponents-react/Select';
import { useWords } from '../../words/words.ts';
import { overview } from '../../api/queries.ts';
import { ROLES, type Role } from '../../api/types.ts';

export interface Rights {
  role: Role;
  /** null: all. */
  flows: string[] | null;
}

export function RightsFields({ of, onChange }: { of: Rights; onChange: (rights: Rights) => void }) {
  const { t } = useWords();
  const flows = useQuery(overview).data?.flows.map((flow) => flow.name) ?? [];
  return (
    <>
      <div className="field">
        <Label for="role" showColon>
          {t('role.one')}
        </Label>
        <Select
          id="role"
          accessibleName={t('role.one')}
          value={of.role}
          onChange={(event) => {
            const role = ROLES.find((role) => role === event.detail.selectedOption.value);
            if (role) onChange({ ...of, role });
          }}
        >
          {ROLES.map((role) => (
            <Option key={role} value={role}>
              {t(`role.${role}`)}
            </Option>
          ))}
        </Select>
        <p className="soft small">{t(`role.may.${of.role}`)}</p>
      </div>
      <fieldset className="field">
        <legend>{t('access.flows')}</legend>
        <CheckBox
          text={t('flow.all')}
          checked={of.flows === null}
          onChange={(event) => onChange({ ...of, flows: event.target.checked ? null : [] })}
        />
        {of.flows !== null && (
          <div className="checks">
            {flows.map((name) => (
              <CheckBox
                key={name}
                text={name}
                checked={of.flows?.includes(name) ?? false}
                onChange={(event) => {
                  const others = of.flows?.filter((other) => other !== name) ?? [];
                  onChange({ ...of, flows: event.target.checked ? [...others, name] : others });
                }}
              />
            ))}
          </div>
        )}
      </fieldset>
    </>
  );
}

export function RightsShown({ of }: { of: Rights }) {
  const { t } = useWords();
  return (
    <span>
      {t(`role.${of.role}`)} <span className="soft">{of.flows === null ? t('flow.all') : of.flows.join(', ')}</span>
    </span>
  );
}
