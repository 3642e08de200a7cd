// Vulkan's C++ header of this machine, with the three types of VK_EXT_layer_settings that llama.cpp names and headers before 1.3.272
// lack. llama.cpp uses them only where a validation layer was asked for, which these tests do not.
// On the path of C++ headers (CPLUS_INCLUDE_PATH) by vendor/vulkan.py, and only where the machine's headers are older.
#pragma once
#include_next <vulkan/vulkan.hpp>

#ifndef VK_EXT_layer_settings
namespace vk {

enum class LayerSettingTypeEXT { eBool32 = 0 };

struct LayerSettingEXT {
    const char *pLayerName;
    const char *pSettingName;
    LayerSettingTypeEXT type;
    uint32_t valueCount;
    const void *pValues;
};

struct LayerSettingsCreateInfoEXT {
    explicit LayerSettingsCreateInfoEXT(const std::vector<LayerSettingEXT> &settings)
        : settingCount(static_cast<uint32_t>(settings.size())), pSettings(settings.data()) {}

    // The number that the extension's registry entry gives to this structure.
    StructureType sType = static_cast<StructureType>(1000496000);
    const void *pNext = nullptr;
    uint32_t settingCount;
    const LayerSettingEXT *pSettings;
};

} // namespace vk
#endif
