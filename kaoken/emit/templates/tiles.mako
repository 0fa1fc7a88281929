## The register tiles of a file for each level, and the tables that pick one.
## levels: list of (condition, tiles, table rows, [(name, widths)]); condition: the preprocessor line that begins the level
/* ---- Register tiles, by rows and columns (kaoken/kk_matmul.h) ---- */
% for condition, tiles, table, widths in levels:
${condition}
% for tile in tiles:
KK_TILE(${tile.rows}, ${16 * tile.panels})
% endfor
/* tiles[rows][panels]; where a level has no tile one panel wide, the wider one takes that panel twice. */
static kk_tile *const tiles[][5] = {
    {0, 0, 0, 0, 0},
% for row in table:
    {${", ".join(row)}},
% endfor
};
/* The most rows of a tile; the panels of a tile of 1, 2, ... rows where few hold all rows; the panels where many do. */
% for name, numbers, main in widths:
static const unsigned char ${name}[] = {${main.rows}, ${", ".join(map(str, numbers))}, ${main.panels}};
% endfor
% endfor
#endif
