/** Built-in functions of MySQL and MariaDB that compute and read, and do nothing else. */
export const HARMLESS_FUNCTIONS: ReadonlySet<string> = new Set(
  `abs acos adddate addtime aes_decrypt aes_encrypt any_value ascii asin atan atan2 avg
  bin bin_to_uuid bit_and bit_count bit_length bit_or bit_xor
  cast ceil ceiling char char_length character_length charset chr coalesce coercibility collation compress concat
  concat_ws connection_id conv convert convert_tz cos cot count crc32 crc32c cume_dist curdate current_date current_role
  current_time current_timestamp current_user curtime
  database date date_add date_format date_sub datediff day dayname dayofmonth dayofweek dayofyear decode default degrees
  dense_rank elt encode encrypt exp export_set extract extractvalue
  field find_in_set first_value floor format format_bytes format_pico_time found_rows from_base64 from_days from_unixtime
  get_format greatest group_concat grouping
  hex hour
  icu_version if ifnull in inet6_aton inet6_ntoa inet_aton inet_ntoa insert instr interval is_ipv4 is_ipv4_compat
  is_ipv4_mapped is_ipv6 is_uuid isnull
  json_array json_array_append json_array_insert json_arrayagg json_compact json_contains json_contains_path json_depth
  json_detailed json_equals json_exists json_extract json_insert json_keys json_length json_loose json_merge
  json_merge_patch json_merge_preserve json_normalize json_object json_objectagg json_overlaps json_pretty json_query
  json_quote json_remove json_replace json_schema_valid json_schema_validation_report json_search json_set
  json_storage_free json_storage_size json_table json_type json_unquote json_valid json_value
  lag last_day last_insert_id last_value lcase lead least left length ln locate localtime localtimestamp log log10 log2 lower
  lpad ltrim
  make_set makedate maketime match max md5 median microsecond mid min minute mod month monthname
  name_const natural_sort_key now nth_value ntile nullif nvl nvl2
  oct octet_length ord
  percent_rank percentile_cont percentile_disc period_add period_diff pi position pow power ps_current_thread_id
  quarter quote
  radians rand random_bytes rank regexp_instr regexp_like regexp_replace regexp_substr repeat replace reverse right
  roles_graphml round row row_count row_number rpad rtrim
  schema sec_to_time second session_user sformat sha sha1 sha2 sign sin soundex space sqrt std stddev stddev_pop
  stddev_samp strcmp str_to_date subdate substr substring substring_index subtime sum sysdate system_user
  statement_digest statement_digest_text
  tan time time_format time_to_sec timediff timestamp timestampadd timestampdiff to_base64 to_char to_days to_seconds
  trim truncate
  ucase uncompress uncompressed_length unhex unix_timestamp updatexml upper user utc_date utc_time utc_timestamp uuid
  uuid_short uuid_to_bin
  validate_password_strength value values var_pop var_samp variance vector_dim vector_to_string string_to_vector version
  visible week weekday weekofyear weight_string
  year yearweek
  geometrycollection geomcollection linestring multilinestring multipoint multipolygon point polygon
  mbrcontains mbrcoveredby mbrcovers mbrdisjoint mbrequals mbrintersects mbroverlaps mbrtouches mbrwithin
  st_area st_asbinary st_aswkb st_asgeojson st_astext st_aswkt st_buffer st_centroid st_contains st_convexhull
  st_crosses st_difference st_dimension st_disjoint st_distance st_distance_sphere st_endpoint st_envelope st_equals
  st_exteriorring st_geohash st_geomfromgeojson st_geomfromtext st_geomfromwkb st_geometryn st_geometrytype
  st_interiorringn st_intersection st_intersects st_isclosed st_isempty st_issimple st_isvalid st_latfromgeohash
  st_latitude st_length st_linefromtext st_longfromgeohash st_longitude st_makeenvelope st_numgeometries
  st_numinteriorrings st_numpoints st_overlaps st_pointfromgeohash st_pointfromtext st_pointn st_polyfromtext
  st_simplify st_srid st_startpoint st_swapxy st_symdifference st_touches st_transform st_union st_validate st_within
  st_x st_y
  gtid_subset gtid_subtract is_free_lock is_used_lock`.split(/\s+/),
);

/** Functions that read files of the server, or have it run programs or talk to others. */
const REACHING_FUNCTIONS = new Set(
  `load_file sys_exec sys_eval sys_get sys_set sys_bineval lib_mysqludf_sys_info http_get http_post http_put
  master_pos_wait source_pos_wait wait_for_executed_gtid_set wait_until_sql_thread_after_gtids master_gtid_wait
  keyring_key_fetch keyring_key_store keyring_key_generate keyring_key_remove`.split(/\s+/),
);

/** Functions that hold up the server or take its locks, and others nobody should be able to hide. */
const KNOWN_BAD_FUNCTIONS = new Set(
  `sleep benchmark get_lock release_lock release_all_locks nextval setval lastval
  asynchronous_connection_failover_add_source asynchronous_connection_failover_delete_source
  group_replication_set_as_primary group_replication_switch_to_single_primary_mode
  service_get_write_locks service_get_read_locks service_release_locks version_tokens_set version_tokens_edit
  audit_log_filter_remove_user audit_log_filter_remove_filter audit_log_read mysql_firewall_flush_status
  ml_train ml_predict_row`.split(/\s+/),
);

export const reachesOut = (name: string): boolean =>
  REACHING_FUNCTIONS.has(name) || /^(?:sys_|lib_mysqludf|http_)/.test(name);

export const isKnownBad = (name: string): boolean => KNOWN_BAD_FUNCTIONS.has(name) || reachesOut(name);
