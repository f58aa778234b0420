/** Lines for sshd_config by which an account takes backups and can do nothing else. */
export function sshdConfig(dir: string | undefined): string {
  const store = dir ?? "/srv/backups";
  const isPlain = /^[\w./@+-]+$/.test(store);
  const quoted = isPlain ? store : `'${store.replaceAll("'", `'\\''`)}'`;
  return `# Machines whose keys are in ~backup/.ssh/authorized_keys are backed up to ${store}.
Match User backup
    ForceCommand dialhome receive ${quoted}
    # By its key, not by what it says, a machine is told from others.
    ExposeAuthInfo yes
    # The tunnel back to the machine: on this side it is a port of the loopback.
    AllowTcpForwarding remote
    GatewayPorts no
    AuthenticationMethods publickey
    PasswordAuthentication no
    KbdInteractiveAuthentication no
    AllowAgentForwarding no
    AllowStreamLocalForwarding no
    PermitTunnel no
    PermitTTY no
    PermitUserRC no
    X11Forwarding no
    # A device that is gone is noticed after a minute, and its port is free again.
    ClientAliveInterval 15
    ClientAliveCountMax 4
`;
}
