// `node --import` this before a server that would listen on every interface: it then listens on 127.0.0.1.
import net from "node:net";

type Listen = (this: net.Server, ...args: unknown[]) => net.Server;

// eslint-disable-next-line typescript/unbound-method -- called with the server it belongs to
const listen = net.Server.prototype.listen as Listen;

const listenOnLoopback: Listen = function (...args) {
  const callback = args.find((argument) => typeof argument === "function");
  const [first] = args;
  const options = typeof first === "object" && first !== null ? first : { port: Number(first) };
  return listen.call(this, { ...options, host: "127.0.0.1" }, callback);
};

net.Server.prototype.listen = listenOnLoopback as typeof net.Server.prototype.listen;
