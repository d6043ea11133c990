// Links and addresses, by the pages' own names: a link to a page that is not there does not compile.
import type { MouseEvent, ReactNode } from 'react';
import { useMemo } from 'react';
import { useLocation, useParams, useSearch } from 'wouter';
import { leave } from './leave.ts';
import { fetchPage } from './pages.ts';
import { address, said, type Params, type Path, type Places, type Target } from './places.ts';

/** Goes to a page; `replace` leaves no trace in the browser's history. */
export function useGo(): <P extends Path>(target: Target<P> & { replace?: boolean }) => void {
  const [, navigate] = useLocation();
  return (target) => {
    const to = address(target);
    const go = () => navigate(to, { replace: target.replace ?? false });
    if (to.split('?')[0] === location.pathname) go();
    else leave(go);
  };
}

export function usePath(): string {
  return useLocation()[0];
}

/** What the address of the page at `path` says. */
export function useSaid<P extends Path>(path: P): Places[P] {
  const query = useSearch();
  return useMemo(() => said(path, query), [path, query]);
}

/** Changes what the address of the page at `path` says. */
export function useSay<P extends Path>(path: P): (search: Places[P], replace?: boolean) => void {
  const go = useGo();
  const params = useParams<Params>();
  return (search, replace = false) => go({ to: path, params, search, replace });
}

/** The number or name in the address. */
export function useId(): string {
  return useParams<Params>().id ?? '';
}

/** The release in the address. */
export function useRelease(): string {
  return useParams<Params>().release ?? '';
}

/** The place within a report in the address. */
export function usePlace(): string {
  return useParams<Params>().place ?? '';
}

type LinkProps<P extends Path> = Target<P> & {
  className?: string;
  /** It leads to what is shown. */
  current?: boolean;
  children: ReactNode;
};

export function Link<P extends Path>({ className, current, children, ...target }: LinkProps<P>) {
  const go = useGo();
  const onClick = (event: MouseEvent) => {
    // Whoever wants a new tab or window gets it.
    if (
      event.defaultPrevented ||
      event.button !== 0 ||
      event.metaKey ||
      event.ctrlKey ||
      event.shiftKey ||
      event.altKey
    )
      return;
    event.preventDefault();
    go(target as Target<P>);
  };
  const prepare = () => fetchPage(target.to);
  return (
    <a
      href={address(target as Target<P>)}
      className={className}
      aria-current={current ? 'true' : undefined}
      onClick={onClick}
      onFocus={prepare}
      onPointerEnter={prepare}
    >
      {children}
    </a>
  );
}
