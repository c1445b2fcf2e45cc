import { each, type Program } from "../program.js";

const TRANSFERS = "writes network";

/** Programs that talk to other hosts. */
export const NETWORK: Readonly<Record<string, Program>> = {
  ...each(
    "ping ping6 fping traceroute traceroute6 tracepath mtr dig nslookup host whois curlie httpstat speedtest",
    { does: "network" },
  ),
  dig: { does: "network" },
  wget: {
    does: "network writes",
    options: {
      "e execute use-askpass use-server-response": "runsCode",
      config: "runsCode",
      "delete-after": "destructive",
      "method post-data post-file body-data body-file": "writes",
    },
    valued: "o a i O t T w Q P U l A R D I X e",
  },
  http: { does: "network writes" },
  https: { does: "network writes" },
  xh: { does: "network writes" },
  nc: {
    does: TRANSFERS,
    options: { "e c exec sh-exec lua-exec": "runsCode", l: "runsCode" },
    valued: "i m o p q s w x X",
  },
  ncat: { does: TRANSFERS, options: { "e c exec sh-exec lua-exec": "runsCode", l: "runsCode" } },
  netcat: { does: TRANSFERS, options: { "e c exec": "runsCode", l: "runsCode" } },
  socat: { does: "network runsCode" },
  telnet: { does: "network runsCode" },
  ftp: { does: "network runsCode" },
  sftp: { does: "network runsCode" },
  scp: { does: TRANSFERS, options: { "S o F D J": "runsCode" }, valued: "c i l P" },
  rsync: {
    does: TRANSFERS,
    options: {
      "delete delete-before delete-during delete-delay delete-after delete-excluded del remove-source-files force inplace write-devices":
        "destructive",
      "e rsh rsync-path": "runsCode",
      "o owner g group chown chmod": "",
    },
    valued: "B T f e M exclude include exclude-from include-from files-from filter rsh port timeout bwlimit",
    readsWith: "list-only",
  },
  nmap: {
    does: "network",
    options: { "script script-args datadir interactive": "runsCode", "oN oX oG oA oS": "writes", iflist: "" },
  },
  openssl: {
    subcommands: {
      ...each("version ciphers list errstr dgst sha256 md5 asn1parse verify crl prime speed", {
        options: { out: "writes", "engine provider provider-path sign": "runsCode" },
      }),
      ...each(
        "x509 req rsa pkey ec enc base64 pkcs12 pkcs8 cms smime rand genrsa genpkey ecparam dhparam crl2pkcs7",
        {
          options: {
            "out keyout CAserial CAcreateserial": "writes",
            "engine provider provider-path config": "runsCode",
          },
        },
      ),
      s_client: { does: "network", options: { "engine provider": "runsCode" } },
      s_time: { does: "network" },
    },
  },
  "ssh-keygen": { does: "writes privileges", readsWith: "l F", valued: "f" },
  "ssh-keyscan": { does: "network" },
  gpg: {
    does: "writes",
    options: {
      "delete-keys delete-secret-keys delete-secret-and-public-key delete-key": "destructive privileges",
      "import edit-key gen-key full-generate-key quick-generate-key": "privileges",
      "photo-viewer exec-path agent-program options homedir": "runsCode",
    },
    readsWith: "list-keys list-secret-keys k K fingerprint verify",
  },
  mail: { does: TRANSFERS },
  sendmail: { does: "network runsCode" },
  "redis-cli": {},
  aria2c: {
    does: TRANSFERS,
    options: {
      "on-download-complete on-download-start on-bt-download-complete on-download-stop on-download-error on-download-pause":
        "runsCode",
    },
  },
  pg_isready: { does: "network" },
  nmcli: { subcommands: {} },
};
