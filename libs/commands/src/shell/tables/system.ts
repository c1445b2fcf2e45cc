import { each, type Program } from "../program.js";

/** Programs that show or change the machine: processes, services, users, disks, packages. */
export const SYSTEM: Readonly<Record<string, Program>> = {
  ...each(
    `uname whoami id groups who w users last lastlog pwd printenv sleep usleep nproc arch locale getconf tty logname uptime free
     ps pgrep pstree pidof lsof lsblk lscpu lsusb lspci lsmod lsmem blkid vmstat iostat mpstat pidstat nstat numastat
     top htop btop atop findmnt which whereis tput clear reset getent sw_vers system_profiler neofetch lsb_release
     runlevel cpupower-info sensors dmidecode hostid systemd-detect-virt loginctl-info lslogins lsns lsipc lslocks
     ipcs slabtop fuser-info pwdx pmap tload uuidgen mountpoint modinfo rpm-info dpkg-query`,
    {},
  ),
  fuser: { options: { "k kill": "destructive" } },
  top: { options: { b: "" } },
  hostname: { options: { "F file b boot": "privileges" }, operands: { most: 0, beyond: "privileges" } },
  date: { options: { "s set": "privileges" }, valued: "d f r date file reference" },
  timedatectl: { subcommands: { status: {}, show: {}, "list-timezones": {} } },
  hostnamectl: { subcommands: { status: {} } },
  localectl: { subcommands: { status: {}, "list-locales": {}, "list-keymaps": {} } },
  loginctl: {
    subcommands: {
      "list-sessions": {},
      "list-users": {},
      "show-session": {},
      "show-user": {},
      "session-status": {},
      "user-status": {},
    },
  },
  dmesg: {
    options: { "c read-clear C clear D console-off E console-on n console-level": "destructive" },
    valued: "l f s F level facility",
  },
  journalctl: {
    options: {
      "vacuum-size vacuum-time vacuum-files": "destructive",
      "rotate flush sync relinquish-var setup-keys update-catalog": "writes",
    },
    valued: "u n p S U t b o g since until unit lines priority output identifier grep",
  },
  sysctl: {
    options: { "w write p load system": "privileges" },
    readsWith: "a all",
    operands: { most: 1, beyond: "" },
  },
  mount: {
    operands: { most: 0, beyond: "privileges" },
    options: { "a all o options bind B R M t types": "privileges" },
    readsWith: "l",
  },
  ...each(
    "umount swapon swapoff losetup modprobe insmod rmmod depmod ldconfig update-grub grub-install kexec chroot pivot_root",
    { does: "privileges" },
  ),
  ulimit: {},
  stty: {},
  service: {},
  sar: { options: { o: "writes" }, valued: "f i s e o P n I m j" },
  ...each(
    `mkfs mke2fs mkswap fdisk sfdisk cfdisk parted gdisk cryptsetup lvremove vgremove pvremove lvreduce mdadm
     badblocks hdparm nvme blkdiscard debugfs tune2fs resize2fs e2fsck fsck xfs_repair btrfs zfs zpool dmsetup format
     diskutil flashcp flash_erase mkfs.ext2 mkfs.ext3 mkfs.ext4 mkfs.xfs mkfs.btrfs mkfs.vfat mkfs.fat mkfs.ntfs newfs`,
    { does: "destructive" },
  ),
  ...each("shutdown reboot halt poweroff init telinit killall killall5 pkill skill xkill telinit slay", {
    does: "destructive",
  }),
  renice: { does: "privileges" },
  systemctl: {
    flags: "user system no-pager q quiet a all l full no-legend failed plain no-ask-password now",
    valued: "t type n lines o output p property state H host M machine",
    options: { "H host M machine": "network" },
    alone: {},
    subcommands: {
      ...each(
        `status show cat list-units list-unit-files list-timers list-sockets list-jobs list-dependencies list-machines
         is-active is-enabled is-failed is-system-running get-default help show-environment`,
        {},
      ),
      ...each("start restart reload reload-or-restart try-restart enable daemon-reload reset-failed", {
        does: "writes",
      }),
      ...each(
        "stop disable mask kill isolate poweroff reboot halt kexec rescue emergency suspend hibernate revert clean exit",
        { does: "destructive" },
      ),
    },
  },
  launchctl: {
    subcommands: {
      list: {},
      print: {},
      ...each("load start kickstart bootstrap", { does: "writes" }),
      ...each("unload stop remove bootout kill disable", { does: "destructive" }),
    },
  },
  ...each(
    `chmod chown chgrp chattr chcon setfacl setcap setfattr passwd chpasswd useradd adduser usermod userdel deluser groupadd
     groupmod groupdel delgroup addgroup gpasswd newgrp visudo vipw vigr chsh chfn chage pwconv grpconv faillock su-exec
     setenforce semanage restorecon auditctl aa-disable aa-complain update-ca-certificates ssh-copy-id ssh-add
     kadmin kinit ldapmodify ldapadd htpasswd dscl csrutil spctl xattr`,
    { does: "privileges" },
  ),
  userdel: { does: "privileges destructive" },
  deluser: { does: "privileges destructive" },
  groupdel: { does: "privileges destructive" },
  ldapdelete: { does: "destructive" },
  crontab: { does: "runsCode privileges", valued: "u", options: { r: "destructive" }, readsWith: "l" },
  at: { does: "runsCode", options: { "d r": "destructive" }, readsWith: "l" },
  batch: { does: "runsCode" },
  atq: {},
  atrm: { does: "destructive" },
  ...each("iptables ip6tables iptables-restore ebtables arptables ufw firewall-cmd pfctl", {
    does: "privileges destructive",
  }),
  nft: { subcommands: { list: {} }, flags: "a n" },
  "iptables-save": {},
  ipset: { subcommands: { list: {} } },
  ip: {
    flags: "4 6 br brief c color s stats d details j json p pretty o oneline",
    subcommands: Object.fromEntries(
      "a ad add addr addre address l li lin link r ro rou rout route ru rul rule n ne nei neigh neighbour maddr tunnel"
        .split(" ")
        .map((name) => [
          name,
          {
            flags: "4 6 br",
            alone: {},
            subcommands: {
              ...each("show list ls sh s li lis get", {}),
              ...each("add a set change replace append up down", { does: "privileges" as const }),
              ...each("del delete flush", { does: "destructive privileges" as const }),
            },
          },
        ]),
    ),
  },
  ifconfig: { operands: { most: 1, beyond: "privileges" } },
  route: { operands: { most: 0, beyond: "privileges" } },
  ...each("netstat arp", { options: { "d s": "" } }),
  arp: { options: { "d s f": "privileges" } },
  ss: { options: { "K kill": "destructive" } },
  tcpdump: {
    options: { "z postrotate-command": "runsCode", w: "writes" },
    valued: "c i r s w C G W z B E F T y Z V j M",
  },
  tshark: { options: { w: "writes", X: "runsCode" } },
  ...each("apt apt-get aptitude", {
    flags: "y yes assume-yes q quiet s simulate",
    optionsAnywhere: { "o option c config-file": "runsCode" },
    subcommands: {
      ...each("list show search policy depends rdepends changelog help", {}),
      ...each("update", { does: "writes network" }),
      ...each("install upgrade full-upgrade dist-upgrade reinstall build-dep source download", {
        does: "writes network runsCode",
        readsWith: "s simulate dry-run just-print",
      }),
      ...each("remove purge autoremove autopurge clean autoclean", {
        does: "destructive",
        readsWith: "s simulate dry-run just-print",
      }),
    },
  }),
  "apt-cache": {
    subcommands: each("search show policy depends rdepends pkgnames stats madison showpkg", {}),
  },
  "apt-mark": {
    subcommands: {
      showmanual: {},
      showauto: {},
      showhold: {},
      hold: { does: "writes" },
      unhold: { does: "writes" },
    },
  },
  dpkg: {
    does: "runsCode writes",
    options: { "pre-invoke post-invoke": "runsCode", "r remove P purge": "destructive" },
    readsWith: "l L s S list listfiles status search p print-avail get-selections C audit print-architecture",
  },
  rpm: {
    does: "runsCode writes",
    options: { "e erase": "destructive", "pipe E eval D define load macros predefine": "runsCode" },
    readsWith: "q query V verify",
  },
  ...each("yum dnf microdnf zypper", {
    flags: "y q v",
    // Other settings bring other plugins.
    optionsAnywhere: { "setopt c config installroot": "runsCode" },
    subcommands: {
      ...each("list info search repolist repoquery check-update provides history deplist se if lr", {}),
      ...each("install update upgrade reinstall localinstall groupinstall in up", {
        does: "writes network runsCode",
      }),
      ...each("remove erase autoremove clean rm", { does: "destructive" }),
    },
  }),
  apk: {
    flags: "q v",
    subcommands: {
      ...each("info search list stats policy version", {}),
      update: { does: "writes network" },
      ...each("add upgrade fix", { does: "writes network runsCode" }),
      ...each("del cache", { does: "destructive" }),
    },
  },
  pacman: {
    does: "runsCode writes",
    options: { "R remove": "destructive" },
    readsWith: "Q Ss Si Sl Qi Ql Qs Qo query",
  },
  brew: {
    flags: "v verbose q quiet",
    subcommands: {
      ...each(
        "list ls info search deps uses leaves outdated config doctor home desc --version --prefix --cellar",
        {},
      ),
      update: { does: "writes network" },
      ...each("install upgrade reinstall tap link services", { does: "writes network runsCode" }),
      ...each("uninstall remove rm cleanup autoremove untap unlink", { does: "destructive" }),
    },
  },
  snap: {
    subcommands: {
      ...each("list info find version changes services", {}),
      ...each("install refresh", { does: "writes network runsCode" }),
      ...each("remove stop disable", { does: "destructive" }),
    },
  },
};
