import { BOUNDS } from "./constants.ts";
import { quotePeerText } from "./errors.ts";
import type { DirectAddress, ForwardedAddress, Protocol, SocketAddress } from "./ssh2-internals.ts";

/** The message that opens a channel of ours. */
export type OpenMessage =
  | { readonly type: "session" }
  | { readonly type: "direct-tcpip"; readonly address: DirectAddress }
  | { readonly type: "forwarded-tcpip"; readonly address: ForwardedAddress }
  | { readonly type: "direct-streamlocal@openssh.com"; readonly address: SocketAddress }
  | { readonly type: "forwarded-streamlocal@openssh.com"; readonly address: SocketAddress };

/** A global request of ours about a forwarding. */
export type ForwardMessage =
  | {
      readonly name: "tcpip-forward" | "cancel-tcpip-forward";
      readonly address: string;
      readonly port: number;
    }
  | {
      readonly name: "streamlocal-forward@openssh.com" | "cancel-streamlocal-forward@openssh.com";
      readonly path: string;
    };

/** Asks the peer to open a channel, with the number it has here and the window that it may fill, bytes. */
export function writeOpenMessage(
  protocol: Protocol,
  id: number,
  windowBytes: number,
  message: OpenMessage,
): void {
  const { packetBytes } = BOUNDS;
  switch (message.type) {
    case "session":
      protocol.session(id, windowBytes, packetBytes);
      break;
    case "direct-tcpip":
      protocol.directTcpip(id, windowBytes, packetBytes, message.address);
      break;
    case "forwarded-tcpip":
      protocol.forwardedTcpip(id, windowBytes, packetBytes, message.address);
      break;
    case "direct-streamlocal@openssh.com":
      protocol.openssh_directStreamLocal(id, windowBytes, packetBytes, message.address);
      break;
    case "forwarded-streamlocal@openssh.com":
      protocol.openssh_forwardedStreamLocal(id, windowBytes, packetBytes, message.address);
      break;
  }
}

/** Asks the server for a forwarding, or to end one; an answer is wanted. */
export function writeForwardMessage(protocol: Protocol, message: ForwardMessage): void {
  switch (message.name) {
    case "tcpip-forward":
      protocol.tcpipForward(message.address, message.port, true);
      break;
    case "cancel-tcpip-forward":
      protocol.cancelTcpipForward(message.address, message.port, true);
      break;
    case "streamlocal-forward@openssh.com":
      protocol.openssh_streamLocalForward(message.path, true);
      break;
    case "cancel-streamlocal-forward@openssh.com":
      protocol.openssh_cancelStreamLocalForward(message.path, true);
      break;
  }
}

/** What the answer to an open message says, for the message of an error. */
export function describeOpenAnswer(message: OpenMessage): string {
  switch (message.type) {
    case "session":
      return "whether it opens a session";
    case "direct-tcpip": {
      const { dstIP, dstPort } = message.address;
      return `whether it connects to ${quotePeerText(dstIP)}:${dstPort}`;
    }
    case "forwarded-tcpip": {
      const { boundAddr, boundPort } = message.address;
      return `whether it takes a connection to ${describePort(boundAddr, boundPort)}`;
    }
    case "direct-streamlocal@openssh.com":
      return `whether it connects to the socket ${quotePeerText(message.address.socketPath)}`;
    case "forwarded-streamlocal@openssh.com":
      return `whether it takes a connection to the socket ${quotePeerText(message.address.socketPath)}`;
    default:
      return message satisfies never;
  }
}

/** What the answer to a request for a forwarding, or for its end, says. */
export function describeForwardAnswer(message: ForwardMessage): string {
  switch (message.name) {
    case "tcpip-forward":
      return `whether it forwards ${describePort(message.address, message.port)}`;
    case "cancel-tcpip-forward":
      return `that it no longer forwards ${describePort(message.address, message.port)}`;
    case "streamlocal-forward@openssh.com":
      return `whether it forwards the socket ${quotePeerText(message.path)}`;
    case "cancel-streamlocal-forward@openssh.com":
      return `that it no longer forwards the socket ${quotePeerText(message.path)}`;
    default:
      return message satisfies never;
  }
}

function describePort(address: string, port: number): string {
  return `port ${port} of ${quotePeerText(address) || "all addresses"}`;
}
