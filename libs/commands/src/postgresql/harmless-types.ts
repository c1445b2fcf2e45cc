/** Types whose input functions and casts do nothing but convert. */
export const HARMLESS_TYPES: ReadonlySet<string> = new Set(
  `
  bit bool boolean bpchar bytea char cid date decimal float4 float8 int int2 int4 int8 integer interval json jsonb
  jsonpath money name numeric oid record refcursor text tid time timestamp timestamptz timetz tsquery tsvector
  txid_snapshot uuid varbit varchar void xid xid8 xml unknown pg_lsn pg_snapshot int2vector oidvector aclitem
  box circle line lseg path point polygon cidr inet macaddr macaddr8
  int4range int8range numrange tsrange tstzrange daterange
  int4multirange int8multirange nummultirange tsmultirange tstzmultirange datemultirange
  regclass regcollation regconfig regdictionary regnamespace regoper regoperator regproc regprocedure regrole regtype
  anyarray anyelement anyenum cstring
  serial serial2 serial4 serial8 bigserial smallserial
  citext hstore ltree lquery ltxtquery cube seg vector halfvec sparsevec geometry geography box2d box3d isbn ean13
  `
    .trim()
    .split(/\s+/u),
);
