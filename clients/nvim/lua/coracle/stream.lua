--- Bytes from the service, on credit: it sends no more than was granted, and is granted what has been shown.
local session = require('coracle.session')

local M = {}
local window = 1048576

local letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
local values = {}
for index = 1, #letters do
  values[letters:byte(index)] = index - 1
end

--- Bytes of RFC 4648's base64. Neovim has a decoder of its own only since 0.10.
function M.decode(text)
  local pieces, bits, count = {}, 0, 0
  for index = 1, #text do
    local value = values[text:byte(index)]
    if value then
      bits, count = bits * 64 + value, count + 6
      if count >= 8 then
        count = count - 8
        local byte = math.floor(bits / 2 ^ count)
        bits = bits % 2 ^ count
        pieces[#pieces + 1] = string.char(byte)
      end
    end
  end
  return table.concat(pieces)
end

--- Opens a stream whose bytes are given to `on_bytes`, and answers the value for a request's `streams`: all output on it.
function M.output(on_bytes)
  local function open()
    local name
    name = session.open_stream(function(data)
      local bytes = data.encoding == 'base64' and M.decode(data.data) or data.data
      on_bytes(bytes)
      if #bytes > 0 then
        session.notify('stream/credit', { stream = name, bytes = #bytes })
      end
    end)
    return name
  end
  return { stdout = open(), stderr = open(), initialCredit = window }
end

--- Forgets the streams of a request that has been answered: all that they had has come, and those of one that was refused the
--- service never closes.
function M.forget(streams)
  session.close_stream(streams.stdout)
  session.close_stream(streams.stderr)
end

return M
