#include "common/lint/lint_function.h"

#include <string.h>

#include "common/core/base.h"

enum { LINT_FUNCTION_NAME_BYTES = 63 };

/* PostgreSQL 15's own that give the same answer for every row of a statement, and its aggregates,
 * between blanks. */
static const char *const lint_functions_steady[] = {
    " abbrev abs acldefault aclexplode acos acosd acosh age area array_agg array_append ",
    " array_cat array_dims array_fill array_larger array_length array_lower array_ndims ",
    " array_position array_positions array_prepend array_remove array_replace array_smaller ",
    " array_to_json array_to_string array_to_tsvector array_upper ascii asin asind asinh ",
    " atan atan2 atan2d atand atanh avg bit bit_and bit_count bit_length bit_or bit_xor ",
    " bittypmodin bool bool_and bool_or booland_statefunc boolor_statefunc boolsend box ",
    " bpchar bpcharsend bpchartypmodin broadcast byteasend cardinality cash_words cashlarger ",
    " cashsmaller cbrt ceil ceiling center char char_length character_length charsend chr ",
    " cidr cidsend circle col_description concat concat_ws convert convert_from convert_to ",
    " corr cos cosd cosh cot cotd count covar_pop covar_samp cume_dist current_database ",
    " current_schema current_schemas current_setting current_user database_to_xml ",
    " database_to_xml_and_xmlschema database_to_xmlschema date date_bin date_larger ",
    " date_part date_smaller date_trunc datemultirange daterange daterange_canonical ",
    " daterange_subdiff decode degrees dense_rank dexp diagonal diameter div dlog1 dlog10 ",
    " dround dtrunc encode enum_first enum_larger enum_last enum_range enum_smaller every ",
    " exp extract factorial family first_value float4 float4larger float4send float4smaller ",
    " float8 float8larger float8send float8smaller floor fmgr_c_validator ",
    " fmgr_internal_validator fmgr_sql_validator format format_type gcd generate_series ",
    " generate_subscripts get_bit get_byte get_current_ts_config getdatabaseencoding ",
    " getpgusername height host hostmask initcap int2 int2int4_sum int2larger int2send ",
    " int2smaller int2vectorsend int4 int4inc int4larger int4multirange int4range ",
    " int4range_canonical int4range_subdiff int4send int4smaller int8 int8dec int8dec_any ",
    " int8inc int8inc_any int8inc_float8_float8 int8larger int8multirange int8range ",
    " int8range_canonical int8range_subdiff int8send int8smaller interval intervaltypmodin ",
    " is_normalized isclosed isempty isfinite ishorizontal isopen isparallel isperp ",
    " isvertical json_agg json_array_elements json_array_elements_text json_array_length ",
    " json_build_array json_build_object json_each json_each_text json_object ",
    " json_object_agg json_object_keys json_populate_record json_populate_recordset ",
    " json_strip_nulls json_to_record json_to_recordset json_to_tsvector json_typeof ",
    " jsonb_agg jsonb_array_elements jsonb_array_elements_text jsonb_array_length ",
    " jsonb_build_array jsonb_build_object jsonb_concat jsonb_each jsonb_each_text ",
    " jsonb_insert jsonb_object jsonb_object_agg jsonb_object_keys jsonb_path_exists ",
    " jsonb_path_exists_tz jsonb_path_match jsonb_path_match_tz jsonb_path_query ",
    " jsonb_path_query_array jsonb_path_query_array_tz jsonb_path_query_first ",
    " jsonb_path_query_first_tz jsonb_path_query_tz jsonb_populate_record ",
    " jsonb_populate_recordset jsonb_pretty jsonb_set jsonb_set_lax jsonb_strip_nulls ",
    " jsonb_to_record jsonb_to_recordset jsonb_to_tsvector jsonb_typeof justify_days ",
    " justify_hours justify_interval lag last_value lcm lead left length like like_escape ",
    " line ln log log10 lower lower_inc lower_inf lpad lseg ltrim macaddr macaddr8 ",
    " macaddr8_set7bit make_date make_interval make_time make_timestamp make_timestamptz ",
    " makeaclitem masklen max md5 min min_scale mod mode money multirange mxid_age name ",
    " nameconcatoid namesend netmask network normalize notlike now npoints nth_value ntile ",
    " num_nonnulls num_nulls numeric numerictypmodin nummultirange numnode numrange ",
    " numrange_subdiff obj_description octet_length oid oidlarger oidsend oidsmaller ",
    " oidvectorsend oidvectortypes overlaps overlay parse_ident path pclose percent_rank ",
    " percentile_cont percentile_disc pg_available_extension_versions ",
    " pg_available_extensions pg_backend_pid pg_char_to_encoding pg_client_encoding ",
    " pg_collation_for pg_column_compression pg_column_is_updatable pg_column_size ",
    " pg_conf_load_time pg_config pg_current_snapshot pg_current_xact_id ",
    " pg_current_xact_id_if_assigned pg_cursor pg_describe_object pg_encoding_max_length ",
    " pg_encoding_to_char pg_event_trigger_ddl_commands pg_event_trigger_dropped_objects ",
    " pg_event_trigger_table_rewrite_oid pg_event_trigger_table_rewrite_reason ",
    " pg_extension_update_paths pg_filenode_relation pg_get_catalog_foreign_keys ",
    " pg_get_constraintdef pg_get_expr pg_get_function_arg_default pg_get_function_arguments ",
    " pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody ",
    " pg_get_functiondef pg_get_indexdef pg_get_keywords pg_get_object_address ",
    " pg_get_partition_constraintdef pg_get_partkeydef pg_get_publication_tables ",
    " pg_get_replica_identity_index pg_get_replication_slots pg_get_ruledef ",
    " pg_get_serial_sequence pg_get_statisticsobjdef pg_get_statisticsobjdef_columns ",
    " pg_get_statisticsobjdef_expressions pg_get_triggerdef pg_get_userbyid pg_get_viewdef ",
    " pg_has_role pg_identify_object pg_identify_object_as_address ",
    " pg_index_column_has_property pg_index_has_property pg_indexam_has_property ",
    " pg_indexam_progress_phasename pg_is_other_temp_schema pg_listening_channels pg_lsn ",
    " pg_lsn_larger pg_lsn_smaller pg_mcv_list_items pg_my_temp_schema pg_options_to_table ",
    " pg_partition_root pg_postmaster_start_time pg_prepared_statement pg_relation_filenode ",
    " pg_relation_filepath pg_relation_is_publishable pg_relation_is_updatable ",
    " pg_replication_origin_oid pg_sequence_parameters pg_settings_get_flags ",
    " pg_show_all_settings pg_size_bytes pg_size_pretty pg_snapshot_xip pg_snapshot_xmax ",
    " pg_snapshot_xmin pg_tablespace_databases pg_tablespace_location pg_timezone_abbrevs ",
    " pg_timezone_names pg_trigger_depth pg_typeof pg_visible_in_snapshot pg_wal_lsn_diff ",
    " pg_walfile_name pg_walfile_name_offset phraseto_tsquery pi plainto_tsquery point ",
    " polygon popen position postgresql_fdw_validator pow power querytree quote_ident ",
    " quote_literal quote_nullable radians radius range_merge rank regclass regclasssend ",
    " regcollationsend regconfigsend regdictionarysend regexp_count regexp_instr regexp_like ",
    " regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table ",
    " regexp_substr regnamespacesend regoperatorsend regopersend regproceduresend ",
    " regprocsend regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx ",
    " regr_sxy regr_syy regrolesend regtypesend repeat replace reverse right round ",
    " row_number row_security_active row_to_json rpad rtrim satisfies_hash_partition scale ",
    " schema_to_xml schema_to_xml_and_xmlschema schema_to_xmlschema session_user set_bit ",
    " set_byte set_masklen setweight sha224 sha256 sha384 sha512 shobj_description sign ",
    " similar_escape similar_to_escape sin sind sinh slope split_part sqrt starts_with ",
    " statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array ",
    " string_to_table strip strpos substr substring sum table_to_xml ",
    " table_to_xml_and_xmlschema table_to_xmlschema tan tand tanh text textcat textlen ",
    " textsend tidlarger tidsend tidsmaller time time_larger time_smaller timestamp ",
    " timestamp_larger timestamp_smaller timestamptypmodin timestamptz timestamptz_larger ",
    " timestamptz_smaller timestamptztypmodin timetypmodin timetz timetz_larger ",
    " timetz_smaller timetztypmodin timezone to_ascii to_char to_date to_hex to_json ",
    " to_jsonb to_number to_regclass to_regcollation to_regnamespace to_regoper ",
    " to_regoperator to_regproc to_regprocedure to_regrole to_regtype to_timestamp ",
    " to_tsquery to_tsvector transaction_timestamp translate trim_array trim_scale trunc ",
    " ts_debug ts_delete ts_filter ts_headline ts_lexize ts_parse ts_rank ts_rank_cd ",
    " ts_token_type tsmultirange tsquery_phrase tsquerysend tsrange tsrange_subdiff ",
    " tstzmultirange tstzrange tstzrange_subdiff tsvector_to_array tsvectorsend txid_current ",
    " txid_current_if_assigned txid_current_snapshot txid_snapshot_xip txid_snapshot_xmax ",
    " txid_snapshot_xmin txid_visible_in_snapshot unaccent unistr unknownsend unnest upper ",
    " upper_inc upper_inf uuid_nil var_pop var_samp varbit varbittypmodin varchar ",
    " varcharsend varchartypmodin variance version websearch_to_tsquery width width_bucket ",
    " xid xid8_larger xid8_smaller xid8send xidsend xml xml_is_well_formed ",
    " xml_is_well_formed_content xml_is_well_formed_document xmlagg xmlcomment xmlconcat2 ",
    " xmlexists xmlvalidate xpath xpath_exists ",
};

/* The others of its own that people call. */
static const char *const lint_functions_volatile[] = {
    "clock_timestamp", "current_query", "currval",    "gen_random_uuid", "lastval",
    "nextval",         "random",        "set_config", "setseed",         "setval",
    "timeofday",       "ts_rewrite",    "ts_stat",    "txid_status",     "query_to_xml",
    "cursor_to_xml",   "amvalidate",
};

bool lint_function_is_steady(const char *name)
{
    char word[LINT_FUNCTION_NAME_BYTES + 3];
    size_t size = strlen(name);

    if (size == 0 || size > LINT_FUNCTION_NAME_BYTES || strchr(name, ' ') != NULL) {
        return false;
    }
    word[0] = ' ';
    memcpy(word + 1, name, size);
    memcpy(word + 1 + size, " ", 2);
    for (size_t i = 0; i < COUNT_OF(lint_functions_steady); i++) {
        if (strstr(lint_functions_steady[i], word) != NULL) {
            return true;
        }
    }
    return false;
}

bool lint_function_is_postgres(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(lint_functions_volatile); i++) {
        if (strcmp(lint_functions_volatile[i], name) == 0) {
            return true;
        }
    }
    return strncmp(name, "pg_", 3) == 0 || strncmp(name, "lo_", 3) == 0 ||
           lint_function_is_steady(name);
}
