/**
 * Harmless functions whose rows in FROM have columns of their own, so that `alias.name` is a column of them and not a
 * call of `name(alias)`.
 */
export const ROW_FUNCTIONS: ReadonlySet<string> = new Set(
  `
  aclexplode json_each json_each_text json_to_record json_to_recordset json_populate_record json_populate_recordset
  jsonb_each jsonb_each_text jsonb_to_record jsonb_to_recordset jsonb_populate_record jsonb_populate_recordset
  pg_available_extension_versions pg_available_extensions pg_config pg_control_checkpoint pg_control_init
  pg_control_recovery pg_control_system pg_cursor pg_extension_update_paths pg_get_catalog_foreign_keys pg_get_keywords
  pg_get_object_address pg_get_publication_tables pg_get_replication_slots pg_get_wait_events pg_identify_object
  pg_identify_object_as_address pg_last_committed_xact pg_lock_status pg_mcv_list_items
  pg_options_to_table pg_partition_tree pg_prepared_statement pg_prepared_xact pg_sequence_parameters
  pg_show_all_settings pg_show_replication_origin_status pg_split_walfile_name pg_stat_get_activity
  pg_stat_get_progress_info pg_stat_get_replication_slot pg_stat_get_wal_senders pg_timezone_abbrevs_abbrevs
  pg_timezone_abbrevs_zone pg_timezone_names pg_walfile_name_offset ts_debug ts_parse ts_token_type
  `
    .trim()
    .split(/\s+/u),
);
