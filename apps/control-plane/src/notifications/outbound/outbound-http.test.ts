import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { HttpReceiver } from "../fakes/http-receiver.js";
import type { FindAddresses } from "./judged-addresses.js";
import { OutboundHttp } from "./outbound-http.js";
import { AllowedReceivers } from "./public-address.js";

const receiver = new HttpReceiver();
const opened: OutboundHttp[] = [];
beforeAll(() => receiver.start());
afterEach(async () => {
  receiver.reset();
  await Promise.all(opened.splice(0).map((http) => http.close()));
});
afterAll(() => receiver.stop());

function httpThatAllows(allowed: readonly string[], find?: FindAddresses): OutboundHttp {
  const http = new OutboundHttp(new AllowedReceivers(allowed), find);
  opened.push(http);
  return http;
}

const post = (http: OutboundHttp, url: string, signal = AbortSignal.timeout(3_000)) =>
  http.post(url, { headers: {}, body: "{}" }, signal);

describe("an address is not public when it is", () => {
  test.each([
    ["loopback", "127.0.0.1"],
    ["any loopback", "127.8.9.1"],
    ["unspecified", "0.0.0.0"],
    ["private", "10.0.0.1"],
    ["private", "172.16.0.1"],
    ["private", "192.168.1.1"],
    ["link-local, where clouds keep their metadata", "169.254.169.254"],
    ["shared, where another cloud keeps them", "100.100.100.200"],
    ["the host agent of a third cloud", "168.63.129.16"],
    ["protocol assignments", "192.0.0.192"],
    ["documentation", "203.0.113.1"],
    ["benchmarks", "198.18.0.1"],
    ["multicast", "224.0.0.1"],
    ["reserved", "240.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["IPv6 loopback", "::1"],
    ["IPv6 unspecified", "::"],
    ["IPv6 unique local", "fd00:ec2::254"],
    ["IPv6 link-local", "fe80::1"],
    ["IPv6 of one interface", "fe80::1%lo"],
    ["IPv6 multicast", "ff02::1"],
    ["IPv6 site-local", "fec0::1"],
    ["IPv6 documentation", "2001:db8::1"],
    ["IPv6 discard", "100::1"],
    ["loopback, mapped", "::ffff:127.0.0.1"],
    ["loopback, mapped, in hexadecimal", "::ffff:7f00:1"],
    ["loopback, compatible", "::127.0.0.1"],
    ["private behind NAT64", "64:ff9b::10.0.0.1"],
    ["behind a NAT64 of one's own", "64:ff9b:1::808:808"],
    ["loopback by 6to4", "2002:7f00:1::"],
    ["public by 6to4", "2002:808:808::"],
    ["Teredo", "2001::1"],
    ["no address", "example.com"],
  ])("%s: %s", (_what, address) => {
    expect(new AllowedReceivers([]).allowsAddress(address)).toBe(false);
  });
});

test.each(["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])("%s is public", (address) => {
  expect(new AllowedReceivers([]).allowsAddress(address)).toBe(true);
});

test("an operator allows addresses and networks, and those only", () => {
  const allowed = new AllowedReceivers(["10.1.0.0/16", "127.0.0.1", "fd00::/8"]);
  for (const address of ["10.1.2.3", "127.0.0.1", "::ffff:10.1.2.3", "fd12::1"])
    expect(allowed.allowsAddress(address)).toBe(true);
  for (const address of ["10.2.0.1", "127.0.0.2", "fe80::1"])
    expect(allowed.allowsAddress(address)).toBe(false);
});

test("a network that is none stops the start", () => {
  expect(() => new AllowedReceivers(["10.1.0.0/99"])).toThrow("10.1.0.0/99 is no network");
});

describe("a message is not sent", () => {
  // Of these none reaches the receiver, which does listen on the loopback address.
  test.each([
    ["127.0.0.1"],
    ["2130706433"],
    ["0x7f.1"],
    ["0177.0.0.1"],
    ["127.1"],
    ["0"],
    ["[::ffff:127.0.0.1]"],
    ["[::1]"],
    ["localhost"],
  ])("to http://%s, unless it is allowed", async (host) => {
    const sending = post(httpThatAllows([]), `http://${host}:${receiver.port}/`);
    await expect(sending).rejects.toThrow("is not a public address");
    expect(receiver.received).toEqual([]);
  });

  test("to a host of which one address is not public", async () => {
    const http = httpThatAllows([], () => Promise.resolve(["8.8.8.8", "127.0.0.1"]));
    await expect(post(http, `http://rebind.test:${receiver.port}/`)).rejects.toThrow(
      "rebind.test is not a public address",
    );
    expect(receiver.received).toEqual([]);
  });
});

describe("a message is sent", () => {
  test("to the very address that was judged, which is found once", async () => {
    const answers = [["127.0.0.1"], ["10.0.0.1"]];
    let asked = 0;
    const http = httpThatAllows(["127.0.0.1"], () => Promise.resolve(answers[asked++] ?? []));
    const { status } = await post(http, `http://receiver.test:${receiver.port}/a?b=c`);
    expect(status).toBe(200);
    expect(asked).toBe(1);
    expect(receiver.received[0]).toMatchObject({
      path: "/a?b=c",
      headers: { host: `receiver.test:${receiver.port}` },
    });
    // And judged again for the next message, also where a connection could be kept.
    await expect(post(http, `http://receiver.test:${receiver.port}/`)).rejects.toThrow(
      "not a public address",
    );
  });

  test("to a host that is allowed by its name, and to no other", async () => {
    const http = httpThatAllows(["Receiver.test"], () => Promise.resolve(["127.0.0.1"]));
    expect((await post(http, `http://receiver.test:${receiver.port}/`)).status).toBe(200);
    await expect(post(http, `http://other.test:${receiver.port}/`)).rejects.toThrow("not a public address");
  });
});

describe("of an answer", () => {
  test("a redirect is not followed", async () => {
    receiver.answer = (response, { path }) => {
      if (path === "/") response.writeHead(307, { location: "/elsewhere" });
      response.end();
    };
    expect((await post(httpThatAllows(["127.0.0.1"]), receiver.url("/"))).status).toBe(307);
    expect(receiver.received).toHaveLength(1);
  });

  test("no more than a little is read", async () => {
    let written = 0;
    receiver.answer = (response) => {
      const more = () => {
        while (!response.destroyed && written < 50_000_000) {
          written += 65_536;
          if (!response.write(Buffer.alloc(65_536))) return;
        }
        response.end();
      };
      response.on("drain", more);
      more();
    };
    expect((await post(httpThatAllows(["127.0.0.1"]), receiver.url())).status).toBe(200);
    expect(written).toBeLessThan(20_000_000);
  });

  test("one that does not come is not waited for longer than is said", async () => {
    receiver.answer = () => undefined;
    await expect(
      post(httpThatAllows(["127.0.0.1"]), receiver.url(), AbortSignal.timeout(200)),
    ).rejects.toThrow("aborted due to timeout");
  });
});
