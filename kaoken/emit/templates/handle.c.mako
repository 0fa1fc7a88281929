void ${m.name}_destroy(${m.name} *handle)
{
    if (!handle)
        return;
    kk_pool_destroy(handle->pool);
    kk_weights_close(&handle->file);
    kk_free(handle->owned);
}

${m.name}_status ${m.name}_check_weights(const ${m.name} *handle)
{
    return handle ? (${m.name}_status)kk_weights_check(&handle->file) : ${m.upper}_ERROR_ARGUMENT;
}

const char *${m.name}_level(const ${m.name} *handle)
{
    return handle ? handle->kernels->level : "";
}

const char *${m.name}_status_text(${m.name}_status status)
{
    return kk_status_text((kk_status)status);
}
