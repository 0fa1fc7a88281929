/* The weights file: see kk_weights.h for its layout. Whatever lies in the file, nothing outside it is read. */
#include "kk_weights.h"
#include "kk_crc32.h"

#include <string.h>

enum { KK_HEADER_BYTES = 128, KK_ENTRY_BYTES = 96, KK_NAME_BYTES = 72, KK_SECTION_ALIGNMENT = 64 };

static uint32_t kk_read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t kk_read_u64(const unsigned char *p) { return kk_read_u32(p) | (uint64_t)kk_read_u32(p + 4) << 32; }

/* Every section aligned, behind the one before it and inside the file; every name terminated. */
static kk_status kk_check_table(const unsigned char *table, uint32_t count, uint64_t table_offset)
{
    uint64_t end = KK_HEADER_BYTES;
    for (uint32_t i = 0; i < count; i++) {
        const unsigned char *entry = table + (size_t)i * KK_ENTRY_BYTES;
        uint64_t offset = kk_read_u64(entry), size = kk_read_u64(entry + 8);
        if (offset % KK_SECTION_ALIGNMENT != 0 || offset < end || offset > table_offset || size > table_offset - offset)
            return KK_ERROR_WEIGHTS;
        if (kk_read_u32(entry + 20) > KK_NAME_BYTES)
            return KK_ERROR_WEIGHTS;
        end = offset + size;
    }
    return KK_OK;
}

static int kk_all_zero(const unsigned char *bytes, const unsigned char *end)
{
    while (bytes < end)
        if (*bytes++ != 0)
            return 0;
    return 1;
}

static kk_status kk_check_header(const unsigned char *data, size_t size, const unsigned char *hash)
{
    static const unsigned char magic[8] = {0x89, 'K', 'A', 'O', 'K', 'E', 'N', '\n'};
    uint64_t table_offset, table_bytes;
    size_t present = size < sizeof magic ? size : sizeof magic;
    if (memcmp(data, magic, present) != 0)
        return KK_ERROR_WEIGHTS_FOREIGN;
    if (size < KK_HEADER_BYTES)
        return KK_ERROR_WEIGHTS_SHORT;
    /* The version comes before the checksum: another layout may keep its checksum elsewhere. */
    if (kk_read_u32(data + 8) != KK_WEIGHTS_VERSION)
        return KK_ERROR_WEIGHTS_VERSION;
    if (kk_crc32(data, 68) != kk_read_u32(data + 68))
        return KK_ERROR_WEIGHTS;
    if (!kk_all_zero(data + 72, data + KK_HEADER_BYTES))
        return KK_ERROR_WEIGHTS;
    if (kk_read_u64(data + 16) != size)
        return KK_ERROR_WEIGHTS_SHORT;
    table_offset = kk_read_u64(data + 24);
    table_bytes = (uint64_t)kk_read_u32(data + 12) * KK_ENTRY_BYTES;
    if (table_offset < KK_HEADER_BYTES || table_offset > size || table_bytes != size - table_offset)
        return KK_ERROR_WEIGHTS;
    if (memcmp(data + 32, hash, KK_WEIGHTS_HASH_BYTES) != 0)
        return KK_ERROR_WEIGHTS_MODEL;
    if (kk_crc32(data + table_offset, (size_t)table_bytes) != kk_read_u32(data + 64))
        return KK_ERROR_WEIGHTS;
    return kk_check_table(data + table_offset, kk_read_u32(data + 12), table_offset);
}

kk_status kk_weights_view(kk_weights *weights, const void *data, size_t size, const unsigned char *hash)
{
    const uint32_t one = 1;
    const unsigned char *bytes = data;
    kk_status status;
    if (weights == NULL)
        return KK_ERROR_ARGUMENT;
    memset(weights, 0, sizeof *weights);
    if (data == NULL || hash == NULL || (uintptr_t)data % KK_SECTION_ALIGNMENT != 0)
        return KK_ERROR_ARGUMENT;
    if (*(const unsigned char *)&one != 1)
        return KK_ERROR_CPU;
    status = kk_check_header(bytes, size, hash);
    if (status != KK_OK)
        return status;
    weights->data = bytes;
    weights->table = bytes + kk_read_u64(bytes + 24);
    weights->count = kk_read_u32(bytes + 12);
    return KK_OK;
}

kk_status kk_weights_open(kk_weights *weights, const char *path, const unsigned char *hash)
{
    kk_mapping mapping;
    kk_status status;
    if (weights == NULL)
        return KK_ERROR_ARGUMENT;
    memset(weights, 0, sizeof *weights);
    if (path == NULL || hash == NULL)
        return KK_ERROR_ARGUMENT;
    status = kk_map_file(path, &mapping);
    if (status != KK_OK)
        return status;
    status = kk_weights_view(weights, mapping.data, mapping.size, hash);
    if (status != KK_OK)
        kk_unmap_file(&mapping);
    else
        weights->mapping = mapping;
    return status;
}

void kk_weights_close(kk_weights *weights)
{
    if (weights == NULL)
        return;
    kk_unmap_file(&weights->mapping);
    memset(weights, 0, sizeof *weights);
}

const void *kk_weights_section(const kk_weights *weights, uint32_t index, size_t *size)
{
    const unsigned char *entry;
    if (size != NULL)
        *size = 0;
    if (weights == NULL || index >= weights->count)
        return NULL;
    entry = weights->table + (size_t)index * KK_ENTRY_BYTES;
    if (size != NULL)
        *size = (size_t)kk_read_u64(entry + 8);
    return weights->data + kk_read_u64(entry);
}

const void *kk_weights_find(const kk_weights *weights, const char *name, size_t *size)
{
    size_t length = name == NULL ? 0 : strlen(name);
    if (size != NULL)
        *size = 0;
    if (weights == NULL || name == NULL)
        return NULL;
    for (uint32_t i = 0; i < weights->count; i++) {
        const unsigned char *entry = weights->table + (size_t)i * KK_ENTRY_BYTES;
        if (kk_read_u32(entry + 20) == length && memcmp(entry + 24, name, length) == 0)
            return kk_weights_section(weights, i, size);
    }
    return NULL;
}

kk_status kk_weights_check(const kk_weights *weights)
{
    const unsigned char *end;
    if (weights == NULL || weights->data == NULL)
        return KK_ERROR_ARGUMENT;
    end = weights->data + KK_HEADER_BYTES;
    for (uint32_t i = 0; i < weights->count; i++) {
        const unsigned char *entry = weights->table + (size_t)i * KK_ENTRY_BYTES;
        size_t size;
        const unsigned char *section = kk_weights_section(weights, i, &size);
        if (!kk_all_zero(end, section) || kk_crc32(section, size) != kk_read_u32(entry + 16))
            return KK_ERROR_WEIGHTS;
        end = section + size;
    }
    return kk_all_zero(end, weights->table) ? KK_OK : KK_ERROR_WEIGHTS;
}
