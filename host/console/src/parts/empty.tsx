// Nothing to show, and what that means.
import { Icon } from '@ui5/webcomponents-react/Icon';
import type { ReactNode } from 'react';

interface Props {
  icon: string;
  title: string;
  says: ReactNode;
  good?: boolean;
  children?: ReactNode;
}

export function Empty({ icon, title, says, good, children }: Props) {
  return (
    <div className={good ? 'empty good' : 'empty'}>
      <Icon name={icon} mode="Decorative" />
      <p className="empty-title">{title}</p>
      <p className="soft">{says}</p>
      {children}
    </div>
  );
}
