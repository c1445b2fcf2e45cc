/** Operators of PostgreSQL, and of extensions that many databases have (pg_trgm, pgvector, ltree, hstore, PostGIS). */
export const HARMLESS_OPERATORS: ReadonlySet<string> = new Set(
  `
  !! !~ !~* !~~ !~~* # ## #- #> #>> #= % & && &&& &< &<| &> * *< *<= *<> *= *> *>= + - -> ->> -|- / < <-> << <<= <<|
  <= <> != <@ <^ = > >= >> >>= >^ ? ?# ?& ?- ?-| ?| ?|| @ @-@ @> @? @@ @@@ ^ ^@ | |&> |/ |>> || ||/ ~ ~* ~<=~ ~<~ ~=
  ~>=~ ~>~ ~~ ~~* ~@ <% %> <<% %>> <->> <<-> <<<-> <->>> <#> <=> <+> <~> <%> ^<@ ^@> ?@> ?<@ ?~ ?@ %% %# BETWEEN
  `
    .trim()
    .split(/\s+/u),
);
