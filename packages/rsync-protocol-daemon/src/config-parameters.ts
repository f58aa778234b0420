/** What becomes of a parameter of rsyncd.conf(5). */
export type ParameterKind =
  /** Used. */
  | { readonly is: "text" | "flag" | "tristate" | "count" }
  /** Taken and without effect here, and harmless: `why` says so. */
  | { readonly is: "idle"; readonly why: string }
  /** Changes who may do what: refused, unless its value is `harmless`. */
  | { readonly is: "refused"; readonly why: string; readonly harmless?: boolean };

const text: ParameterKind = { is: "text" };
const flag: ParameterKind = { is: "flag" };
const tristate: ParameterKind = { is: "tristate" };
const count: ParameterKind = { is: "count" };
const idle = (why: string): ParameterKind => ({ is: "idle", why });
const refused = (why: string): ParameterKind => ({ is: "refused", why });
/** A switch of which one position is what this daemon does anyway. */
const only = (harmless: boolean, why: string): ParameterKind => ({ is: "refused", harmless, why });

const uploads = idle("about uploads, which there are none of");
const noScripts = refused("this daemon runs no programs");

/** Parameters that only the global part may have. */
export const GLOBAL_PARAMETERS: Readonly<Record<string, ParameterKind>> = {
  "motd file": text,
  "pid file": text,
  port: count,
  address: text,
  "listen backlog": count,
  "daemon uid": text,
  "daemon gid": text,
  "socket options": idle("the defaults of Node are used"),
  "daemon chroot": refused(
    "modules are confined by directory handles; use systemd's RootDirectory=",
  ),
  "proxy protocol": only(false, "addresses of clients are taken from the socket alone"),
  "proxy protocol hosts": refused("addresses of clients are taken from the socket alone"),
};

/** Parameters of a module, for which the global part may set defaults. */
export const MODULE_PARAMETERS: Readonly<Record<string, ParameterKind>> = {
  comment: text,
  path: text,
  "use chroot": tristate,
  "numeric ids": tristate,
  "munge symlinks": tristate,
  "open noatime": tristate,
  "max connections": count,
  "max verbosity": count,
  list: flag,
  uid: text,
  gid: text,
  filter: text,
  exclude: text,
  include: text,
  "exclude from": text,
  "include from": text,
  "auth users": text,
  "secrets file": text,
  "auth digest": text,
  "strict modes": flag,
  "hosts allow": text,
  "hosts deny": text,
  "reverse lookup": flag,
  "forward lookup": flag,
  "ignore errors": flag,
  "ignore nonreadable": flag,
  "transfer logging": flag,
  "log file": text,
  "log format": text,
  timeout: count,
  "refuse options": text,
  "read only": only(true, "modules are read only"),
  "write only": only(false, "modules are read only"),
  "fake super": only(false, "what --fake-super has recorded is not read"),
  "insecure links": only(false, "links are never followed out of a module"),
  charset: refused("names are not converted"),
  "outgoing chmod": refused("permissions are sent as they are"),
  "name converter": noScripts,
  "early exec": noScripts,
  "pre-xfer exec": noScripts,
  "post-xfer exec": noScripts,
  "dont compress": idle("what compresses badly costs time, and nothing else"),
  "lock file": idle("connections are counted in the process"),
  "syslog facility": idle(
    "there is no syslog: log lines go to the terminal, the journal or a file",
  ),
  "syslog tag": idle("there is no syslog"),
  "incoming chmod": uploads,
  "temp dir": uploads,
};
