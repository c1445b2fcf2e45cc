import { each, type Program } from "../program.js";

const NET: Program = { does: "network" };
const CHANGES: Program = { does: "writes network" };
const REMOVES: Program = { does: "destructive network" };
const RIGHTS: Program = { does: "privileges network" };
const CODE: Program = { does: "runsCode network" };

const CONTAINERS: Readonly<Record<string, Program>> = {
  ...each(
    "ps ls list images logs inspect stats top port diff events history info version search df context-show",
    NET,
  ),
  ...each("build buildx run create compose-run load import commit", CODE),
  ...each("rm rmi prune kill stop remove down", REMOVES),
  ...each(
    "start restart pause unpause pull push tag rename wait save export login logout cp attach update",
    CHANGES,
  ),
};

const DOCKER: Program = {
  flags: "D debug tls tlsverify",
  valued: "c context l log-level",
  options: { "H host config": "runsCode" },
  subcommands: {
    ...CONTAINERS,
    ...each(
      "container image volume network system builder plugin context manifest node service stack secret config swarm",
      {
        subcommands: {
          ...CONTAINERS,
          ...each("connect disconnect use show", CHANGES),
          ...each("create", CHANGES),
          ...each("leave", REMOVES),
        },
      },
    ),
    container: { subcommands: CONTAINERS },
    compose: {
      flags: "",
      valued: "f file p project-name profile env-file project-directory",
      subcommands: {
        ...each("ps ls logs config images top port version events", NET),
        ...each("up run build create exec", CODE),
        ...each("down rm kill stop", REMOVES),
        ...each("start restart pause unpause pull push", CHANGES),
      },
    },
  },
};

const KUBECTL: Program = {
  flags: "A all-namespaces insecure-skip-tls-verify",
  valued: "kubeconfig as token n namespace context cluster user request-timeout v s server",
  optionsAnywhere: { "kubeconfig as as-group as-uid token": "privileges" },
  subcommands: {
    ...each(
      "get describe logs top explain api-resources api-versions version cluster-info events wait options completion",
      NET,
    ),
    diff: { does: "network", options: {} },
    config: {
      subcommands: {
        ...each("view get-contexts get-clusters get-users current-context", {}),
        ...each("use-context set-context set-cluster rename-context use set-credentials set", {
          does: "writes",
        }),
        ...each("delete-context delete-cluster delete-user unset", { does: "destructive" }),
      },
    },
    auth: { subcommands: { "can-i": NET, whoami: NET, reconcile: RIGHTS } },
    rollout: {
      subcommands: { ...each("status history", NET), ...each("restart pause resume undo", CHANGES) },
    },
    ...each("apply patch label annotate expose autoscale cordon uncordon taint set edit cp scale", CHANGES),
    apply: { does: "writes network", options: { "prune force": "destructive" } },
    create: {
      does: "writes network",
      subcommands: {
        ...each(
          "namespace ns configmap cm deployment deploy service svc job cronjob ingress quota pdb poddisruptionbudget priorityclass",
          CHANGES,
        ),
        ...each("secret serviceaccount sa role rolebinding clusterrole clusterrolebinding token", RIGHTS),
      },
      valued: "f filename n namespace k kustomize",
      flags: "dry-run save-config",
      alone: CHANGES,
    },
    ...each("delete drain replace", REMOVES),
    scale: { does: "writes network", options: { "replicas=0": "destructive" } },
    ...each("run attach debug plugin proxy", CODE),
    "port-forward": NET,
    certificate: RIGHTS,
  },
};

/** Verbs of gcloud, az, aws and their like: see `cloud-verbs.ts`. */
export const CLOUD: Readonly<Record<string, Program>> = {
  docker: DOCKER,
  podman: DOCKER,
  nerdctl: DOCKER,
  "docker-compose": { ...DOCKER.subcommands?.["compose"] },
  kubectl: KUBECTL,
  oc: KUBECTL,
  k: KUBECTL,
  kubectx: {},
  helm: {
    flags: "debug",
    valued: "kubeconfig n namespace kube-context",
    optionsAnywhere: { "kubeconfig kube-token kube-as-user": "privileges" },
    subcommands: {
      ...each("list ls status history get show search version env lint verify help", {
        does: "network",
        options: { "post-renderer": "runsCode" },
      }),
      template: { does: "network", options: { "post-renderer": "runsCode", "output-dir": "writes" } },
      repo: {
        subcommands: {
          list: {},
          ...each("add update", CHANGES),
          ...each("remove rm", { does: "destructive" }),
        },
      },
      dependency: { subcommands: { list: {}, ...each("update build", CHANGES) } },
      ...each("install upgrade pull push create package test", {
        does: "writes network",
        options: { "post-renderer": "runsCode", "force reset-values": "destructive" },
      }),
      ...each("uninstall delete del un rollback", REMOVES),
    },
  },
  ...each("terraform tofu", {
    flags: "version v",
    valued: "chdir",
    subcommands: {
      ...each("version validate show output graph providers fmt-check get metadata", {}),
      fmt: { does: "writes", readsWith: "check" },
      plan: { does: "network", options: { out: "writes", destroy: "network" } },
      init: { does: "writes network runsCode" },
      state: {
        subcommands: {
          ...each("list show pull", {}),
          ...each("mv replace-provider", { does: "writes" }),
          ...each("rm push", { does: "destructive" }),
        },
      },
      workspace: {
        subcommands: {
          ...each("list show", {}),
          ...each("new select", { does: "writes" }),
          delete: { does: "destructive" },
        },
      },
      ...each("apply destroy taint untaint force-unlock import refresh", REMOVES),
      console: CODE,
    },
  }),
  ...each("flyctl fly heroku vercel netlify wrangler firebase doctl", CODE),
  minikube: {
    subcommands: {
      ...each("status ip version profile", {}),
      ...each("start", CHANGES),
      ...each("delete stop", REMOVES),
    },
  },
  kind: { subcommands: { get: {}, version: {}, create: CHANGES, delete: REMOVES } },
  vault: {
    subcommands: {
      ...each("status version read list", NET),
      kv: {
        subcommands: {
          ...each("get list metadata", NET),
          ...each("put patch", CHANGES),
          ...each("delete destroy undelete rollback", REMOVES),
        },
      },
      ...each("write", CHANGES),
      ...each("delete", REMOVES),
      ...each("token auth policy login", RIGHTS),
      secrets: {
        subcommands: { list: NET, ...each("enable tune", CHANGES), ...each("disable move", REMOVES) },
      },
      lease: REMOVES,
      operator: REMOVES,
    },
  },
  consul: {
    subcommands: {
      ...each("members info version catalog", NET),
      kv: { subcommands: { get: NET, export: NET, put: CHANGES, delete: REMOVES } },
    },
  },
  etcdctl: { subcommands: { get: NET, put: CHANGES, del: REMOVES, member: NET, endpoint: NET } },
  rabbitmqctl: {
    subcommands: {
      ...each("status list_queues list_users list_exchanges list_bindings list_vhosts list_connections", NET),
      ...each("delete_queue purge_queue delete_vhost delete_user stop stop_app reset force_reset", REMOVES),
      ...each("add_user set_permissions set_user_tags change_password", RIGHTS),
    },
  },
};
