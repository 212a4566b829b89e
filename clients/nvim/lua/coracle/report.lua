--- What is said to the person.
local M = {}

--- The sentence of an error, with its hint.
function M.sentence(err)
  local text = err.message or vim.inspect(err)
  local data = type(err.data) == 'table' and err.data or {}
  for _, cause in ipairs(data.causes or {}) do
    text = text .. ': ' .. cause
  end
  return data.hint and (text .. '\nhint: ' .. data.hint) or text
end

function M.info(text)
  vim.notify(text, vim.log.levels.INFO, { title = 'Coracle' })
end

function M.warn(text)
  vim.notify(text, vim.log.levels.WARN, { title = 'Coracle' })
end

function M.error(err)
  vim.notify(M.sentence(err), vim.log.levels.ERROR, { title = 'Coracle' })
end

--- On the last line, in place of what stood there: for what changes ten times a second.
function M.progress(text)
  vim.api.nvim_echo({ { text:sub(1, math.max(1, vim.o.columns - 12)) } }, false, {})
  vim.cmd('redraw')
end

function M.bytes(count)
  local units = { 'B', 'kB', 'MB', 'GB' }
  local index = 1
  while count >= 1000 and index < #units do
    count, index = count / 1000, index + 1
  end
  return (index == 1 and '%d %s' or '%.1f %s'):format(count, units[index])
end

return M
