// The frame of each page: its name, what it says below it, what can be done, and the content.
import { Title } from '@ui5/webcomponents-react/Title';
import { useEffect, type ReactNode } from 'react';

interface Props {
  title: string;
  /** Beside the title, such as a state. */
  mark?: ReactNode;
  says?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
}

export function Page({ title, mark, says, actions, children }: Props) {
  useEffect(() => {
    document.title = `${title} · Tandem`;
  }, [title]);
  return (
    <div className="page">
      <header className="page-head">
        <div className="page-name">
          <div className="page-title">
            <Title level="H1" size="H3" wrappingType="Normal">
              {title}
            </Title>
            {mark}
          </div>
          {says !== undefined && <p className="soft">{says}</p>}
        </div>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface CardProps {
  title: string;
  says?: ReactNode;
  actions?: ReactNode;
  children: ReactNode;
  flush?: boolean;
}

/** A part of a page with a name of its own; `flush` lets a table touch its edges. */
export function Card({ title, says, actions, children, flush }: CardProps) {
  return (
    <section className={flush ? 'card flush' : 'card'} aria-label={title}>
      <header className="card-head">
        <div>
          <Title level="H2" size="H5" wrappingType="Normal">
            {title}
          </Title>
          {says !== undefined && <p className="soft">{says}</p>}
        </div>
        {actions !== undefined && <div className="actions">{actions}</div>}
      </header>
      <div className="card-body">{children}</div>
    </section>
  );
}
