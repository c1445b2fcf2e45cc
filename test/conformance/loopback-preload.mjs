// `node --import` this into the suite when it tests clients: its servers name no address, so they would listen on every
// interface. They read their port right after listen(), which the way by a host name would have no answer to yet.
import net from "node:net";

const IPV4 = 4;
const BACKLOG = 511;
// eslint-disable-next-line typescript/unbound-method -- called with the server it belongs to
const listen = net.Server.prototype.listen;

net.Server.prototype.listen = function listenOnLoopback(port, ...rest) {
  if (typeof port !== "number" || typeof rest[0] === "string") return listen.call(this, port, ...rest);
  const onListening = rest.findLast((argument) => typeof argument === "function");
  if (onListening) this.once("listening", onListening);
  this._listen2("127.0.0.1", port, IPV4, BACKLOG);
  return this;
};
