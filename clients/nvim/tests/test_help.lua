local here = vim.fn.fnamemodify(vim.fn.expand('<sfile>:p'), ':h')

--- The words between bars, each of which leads to a tag.
local function links()
  local found = {}
  for word in table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\n'):gmatch('|([^|%s]+)|') do
    table.insert(found, word)
  end
  return found
end

return {
  {
    name = ':help coracle opens its page, from which all links lead somewhere',
    body = function(t)
      vim.cmd('helptags ' .. vim.fn.fnameescape(here .. '/../doc'))
      vim.cmd('help coracle')
      t.equal(vim.fn.expand('%:t'), 'coracle.txt')
      t.equal(vim.bo.buftype, 'help')
      local found = links()
      t.equal(#found > 5, true)
      for _, link in ipairs(found) do
        vim.cmd('help ' .. link)
      end
    end,
  },
  {
    name = 'each command and each key of the list has its help',
    body = function(t)
      for _, verb in ipairs(require('coracle').verbs()) do
        vim.cmd('help :Coracle-' .. verb)
        t.equal(vim.fn.expand('%:t'), 'coracle.txt')
      end
      vim.cmd('help coracle-list')
      local section = table.concat(vim.fn.getline('.', '$'), '\n')
      vim.cmd('Coracle list')
      t.line('^NAME ')
      for _, mapping in ipairs(vim.api.nvim_buf_get_keymap(0, 'n')) do
        local key = mapping.lhs:gsub('<CR>', '<Enter>')
        t.equal(section:find('\n  ' .. key .. ' ', 1, true) ~= nil or key, true)
      end
    end,
  },
}
