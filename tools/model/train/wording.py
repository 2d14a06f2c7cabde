"""How things are said, in English and Chinese. What stands under HELD is for the evaluation alone: never trained."""

# Kinds of facts. `nouns`: what the fact is called in a question; `said`: how it is called in reasoning and answers.
KINDS = {
    "name": {
        "en": {"nouns": ["name"], "said": "name"},
        "zh": {"nouns": ["名字"], "said": "名字"},
    },
    "city": {
        "en": {"nouns": ["city", "home city", "home town"], "said": "city"},
        "zh": {"nouns": ["城市", "家乡"], "said": "城市"},
    },
    "code": {
        "en": {"nouns": ["code", "secret code", "access code"], "said": "code"},
        "zh": {"nouns": ["代码", "密码", "暗号"], "said": "代码"},
    },
    "number": {
        "en": {"nouns": ["number", "lucky number", "favourite number"], "said": "number"},
        "zh": {"nouns": ["数字", "幸运数字"], "said": "数字"},
    },
    "colour": {
        "en": {"nouns": ["colour", "favourite colour", "favorite color", "color"], "said": "colour"},
        "zh": {"nouns": ["颜色", "喜欢的颜色"], "said": "颜色"},
    },
    "dog": {
        "en": {"nouns": ["dog", "dog's name"], "said": "dog's name"},
        "zh": {"nouns": ["狗的名字", "小狗的名字"], "said": "狗的名字"},
    },
}

TELL = {
    "en": {
        "any": [
            "My {n} is {v}.", "my {n} is {v}", "The {n} I want you to remember is {v}.", "Remember my {n}: {v}.",
            "Please remember that my {n} is {v}.", "Keep in mind: my {n} is {v}.", "Note that my {n} is {v}.",
            "By the way, my {n} is {v}.", "For later: my {n} is {v}.", "You should know that my {n} is {v}.",
            "{v} is my {n}.", "My {n}: {v}", "I want to tell you my {n}. It is {v}.", "Just so you know, my {n} is {v}.",
            "Let me tell you something: my {n} is {v}.", "Please note my {n}: {v}.", "Do not forget: my {n} is {v}.",
        ],
        "name": ["I am {v}.", "I'm {v}.", "Hello, I am {v}.", "Hi, my name is {v}!", "Call me {v}.", "People call me {v}.",
                 "You can call me {v}.", "Hi! I'm {v}.", "This is {v} speaking.", "Hello, my name is {v}."],
        "city": ["I live in {v}.", "I am from {v}.", "I come from {v}.", "My home is in {v}.", "I moved to {v}.", "I'm living in {v}."],
        "code": ["The code is {v}.", "Remember the code {v}.", "The secret code is {v}.", "Here is the code: {v}."],
        "number": ["The number is {v}.", "Remember the number {v}.", "I like the number {v}.", "Keep the number {v}."],
        "colour": ["I like {v} best.", "I love the colour {v}.", "The colour I like most is {v}."],
        "dog": ["I have a dog called {v}.", "My dog is called {v}.", "Our dog is named {v}.", "I have a dog. Its name is {v}."],
    },
    "zh": {
        "any": [
            "我的{n}是{v}。", "请记住我的{n}：{v}。", "记住，我的{n}是{v}。", "请记住，我的{n}是{v}。", "告诉你，我的{n}是{v}。",
            "顺便说一下，我的{n}是{v}。", "{v}是我的{n}。", "我的{n}：{v}", "别忘了，我的{n}是{v}。", "你要知道，我的{n}是{v}。",
            "先说一下，我的{n}是{v}。", "我想告诉你我的{n}，是{v}。", "请记一下，我的{n}是{v}。",
        ],
        "name": ["我叫{v}。", "你好，我叫{v}。", "大家叫我{v}。", "你可以叫我{v}。", "我是{v}。", "你好，我是{v}。", "叫我{v}吧。"],
        "city": ["我住在{v}。", "我来自{v}。", "我是{v}人。", "我家在{v}。", "我搬到了{v}。"],
        "code": ["代码是{v}。", "记住代码{v}。", "密码是{v}。", "请记住暗号{v}。"],
        "number": ["数字是{v}。", "记住数字{v}。", "我喜欢数字{v}。"],
        "colour": ["我最喜欢{v}。", "我喜欢{v}。", "我最爱的颜色是{v}。"],
        "dog": ["我的狗叫{v}。", "我有一只狗，叫{v}。", "我家小狗叫{v}。"],
    },
}

ASK = {
    "en": {
        "any": [
            "What is my {n}?", "What's my {n}?", "Tell me my {n}.", "Do you remember my {n}?", "Which {n} did I tell you?",
            "What {n} did I mention?", "Do you know my {n}?", "Say my {n}.", "Please give me my {n}.",
            "I forgot my {n}, what is it?", "My {n}?", "And my {n}?", "My {n} was what again?", "What was my {n}?",
            "Can you recall my {n}?", "Could you tell me what my {n} is?", "I would like to know my {n}.",
            "You should know my {n}. What is it?", "Earlier I told you my {n}. What was it?", "What did I say about my {n}?",
            "Name my {n}.", "Let me hear my {n}.", "What was my {n} again?", "Do you still know my {n}?",
            "Now tell me my {n}, please.", "Which one is my {n}?", "Answer me: what is my {n}?", "What {n} do I have?",
            "Quick question: what's my {n}?", "I told you my {n} before. Which was it?", "Have you kept my {n}?",
            "Please repeat my {n}.", "Write my {n}.", "Show my {n}.", "Print my {n}.", "Spell my {n}.", "Give my {n}.", "Report my {n}.", "Mention my {n}.",
            "I wonder if you know my {n}.", "Let us see if you remember my {n}.", "Is there a {n} you know of me?", "Find my {n}.", "Look back and tell me my {n}.",
            "Help me remember my {n}.", "How about my {n}?", "You remember my {n}, right?", "Which {n} did I say?", "What did I tell you about my {n}?",
            "What do you have as my {n}?", "I need my {n}.", "My {n}, please.", "Which is my {n}?", "Say again what my {n} is.", "Try to recall my {n}.",
            "Tell me what you know about my {n}.", "Let me know my {n}.", "Do you have my {n} in mind?", "What would my {n} be?", "Repeat what I told you about my {n}.",
            "I want to hear my {n} from you.", "Guess what I want: my {n}.", "Bring back my {n}.", "Could you repeat my {n} for me?", "See if you can tell me my {n}.",
            "Did you note my {n}? What is it?", "What have I told you: which {n} is mine?", "I can not remember my {n}.", "Test: my {n}?", "Can you say what my {n} is?", "Please tell me: what is my {n}?",
        ],
        "name": ["Who am I?", "What am I called?", "How am I called?", "Do you know who I am?", "What do people call me?", "How do people call me?", "By which name do I go?", "What should you call me?"],
        "city": ["Where do I live?", "Where am I from?", "In which city do I live?", "Which city do I live in?", "Where is my home?", "Which place do I live in?", "What town am I from?", "Where is it that I live?"],
        "code": ["What was the code?", "Which code did I give you?", "What is the code?"],
        "number": ["What was the number?", "Which number did I give you?", "Which number do I like?"],
        "colour": ["Which colour do I like?", "What colour do I like best?", "Which color do I love?"],
        "dog": ["What is my dog called?", "How is my dog called?", "What is the name of my dog?", "What's my dog's name?", "What do I call my dog?", "Which name does my dog have?", "What is the dog called?"],
    },
    "zh": {
        "any": [
            "我的{n}是什么？", "请告诉我我的{n}。", "你记得我的{n}吗？", "你还记得我的{n}吗？", "我的{n}呢？", "说出我的{n}。",
            "我告诉过你的{n}是什么？", "你知道我的{n}吗？", "我忘了我的{n}，是什么？", "那我的{n}呢？", "我之前说的{n}是什么？",
            "刚才我说我的{n}是什么？", "我的{n}是哪个？", "请说出我的{n}。", "能说说我的{n}吗？", "请重复我的{n}。", "请问我的{n}是什么？",
            "我说过我的{n}，是什么来着？", "我的{n}是什么来着？", "你应该知道我的{n}，是什么？", "写出我的{n}。", "找一下我的{n}。", "我想知道我的{n}。", "看看前面，我的{n}是什么？", "帮我想想我的{n}。",
            "把我的{n}告诉我。", "我的{n}你知道吗？", "再说一遍我的{n}。", "我的{n}到底是什么？", "请回忆我的{n}。", "之前提到的{n}是什么？", "我想确认一下我的{n}。",
            "麻烦告诉我我的{n}。", "说说看，我的{n}是什么？", "还记得吗，我的{n}是什么？", "你记下我的{n}了吗？", "我的{n}，你还知道吗？", "测试：我的{n}？", "我说的{n}是哪个？", "给我我的{n}。", "我的{n}叫什么？",
        ],
        "name": ["我叫什么？", "我叫什么名字？", "我是谁？", "你知道我是谁吗？", "大家叫我什么？", "别人怎么叫我？", "我的姓名是什么？", "我姓什么叫什么？", "你要叫我什么？"],
        "city": ["我住在哪里？", "我住在哪个城市？", "我来自哪里？", "我是哪里人？", "我家在哪里？", "我家在哪座城？", "我住在什么地方？", "我是从哪里来的？"],
        "code": ["代码是什么？", "密码是多少？", "我给你的代码是什么？"],
        "number": ["数字是多少？", "我喜欢哪个数字？", "我给你的数字是多少？"],
        "colour": ["我喜欢什么颜色？", "我最喜欢哪种颜色？"],
        "dog": ["我的狗叫什么？", "我家小狗叫什么名字？", "狗叫什么？", "我的狗狗怎么叫？", "那只狗叫什么名字？", "我怎么叫我的狗？"],
    },
}

HELD_ASK = {
    "en": {
        "any": ["Remind me of my {n}.", "Any idea what my {n} is?", "What did I say my {n} was?", "Please look up my {n} above.",
                "Do you still have my {n}?", "State my {n}.", "I am curious whether you can recall my {n}.",
                "Time for a little test: what's my {n}?", "Check our chat and give me my {n}."],
        "name": ["Under which name do you know me?", "How should you address me?"],
        "city": ["Which town do I call home?"], "code": [], "number": [], "colour": [], "dog": ["How do I call my dog?"],
    },
    "zh": {
        "any": ["提醒我一下，我的{n}是什么？", "考考你，我的{n}是什么？", "我前面讲过的{n}是哪一个？", "查一下我的{n}。", "你有没有记下我的{n}？"],
        "name": ["你该怎么称呼我？", "我姓甚名谁？"], "city": ["我的家在哪座城市？"], "code": [], "number": [], "colour": [], "dog": ["我家的狗怎么称呼？"],
    },
}

# Questions put together: far more wordings than a list would hold, so that one never seen is understood as well.
ASK_PARTS = {
    "en": {
        "open": ["Can you", "Could you", "Would you", "Will you", "I want you to", "I would like you to", "Are you able to", "I wonder whether you can", "I am not sure if you can",
                 "Let me see whether you can", "I hope you can", "Maybe you can", "It would be nice if you could", "I am interested if you can", "You can surely", "Now try to", "Be so kind and", "Go back and", "Please"],
        "verb": ["tell me {m}", "say {m}", "repeat {m}", "recall {m}", "remember {m}", "name {m}", "give me {m}", "find {m}", "write {m} down", "bring up {m}", "look for {m} and say it", "say what {m} is",
                 "tell me what {m} is", "tell me what I said {m} is", "tell me which {k} I have", "tell me the {k} that I told you", "answer what {m} is", "read {m} back to me", "look through what I wrote and tell me {m}"],
        "tail": ["", "", "", " now", " again", " once more", " for me", ", please", " from before", " as I told you"],
        "end": [".", ".", "?", "?", ""],
        "whole": ["Some idea about {m}?", "A test for you: {m}?", "A small question: which is {m}?", "{m}: what is it?", "{m}, do you have it?", "What about {m}?", "Is {m} known to you? Say it.", "Which {k} is mine?", "The {k} I told you is which?",
                  "You were told {m}; which is it?", "I said {m} some time ago. Well?", "What is it, {m}?", "Let us test you with {m}.", "Search above for {m}.", "What did I call {m}?", "According to me, what is {m}?"],
    },
    "zh": {
        "open": ["请", "请你", "麻烦你", "能不能", "可不可以", "你能", "你可以", "我想让你", "试着", "帮我", "我看看你能不能", "希望你能", "现在", "再", "往回看，"],
        "verb": ["说一下{m}", "告诉我{m}", "重复{m}", "回忆{m}", "写出{m}", "讲讲{m}", "说说{m}是什么", "找出{m}", "念一下{m}", "回答{m}是什么", "说出我告诉你的{k}", "报一下{m}", "从前文找到{m}"],
        "tail": ["", "", "", "吧", "好吗", "，谢谢"],
        "end": ["。", "？", ""],
        "whole": ["小测验：{m}？", "{m}是哪一个？", "{m}，说说看。", "{m}你记住了没有？是什么？", "我对你说过的{k}是哪个？", "还知道{m}吗？", "{m}是什么，你说。", "关于{m}，我说过什么？", "我的那个{k}是什么？", "前文里{m}是什么？", "猜我要问什么：{m}。", "{m}究竟是哪个？"],
    },
}

# Before a question or a telling, at times.
LEAD = {
    "en": ["", "", "", "", "", "Hey, ", "Okay. ", "One question: ", "Please: ", "So, ", "Well, ", "Now, ", "Tell me, ", "Hi. ", "Alright, ", "Sorry, "],
    "zh": ["", "", "", "", "", "嗯，", "好，", "请问，", "那么，", "问一下，", "对了，", "你好，"],
}
ACK = {
    "en": ["Noted.", "Thank you, I will remember that.", "Good to know.", "I will keep that in mind.", "Got it."],
    "zh": ["记住了。", "谢谢，我会记住的。", "好的，我记下了。", "知道了。"],
}

COLOURS = {
    "en": "red blue green yellow black white purple orange pink brown grey silver gold violet turquoise crimson teal navy olive maroon beige cyan magenta lime indigo".split(),
    "zh": "红色 蓝色 绿色 黄色 黑色 白色 紫色 橙色 粉色 棕色 灰色 银色 金色 青色 米色 深蓝色 浅绿色 天蓝色 酒红色 墨绿色".split(),
}
CITIES = {
    "en": "Paris London Berlin Madrid Rome Vienna Oslo Lisbon Dublin Prague Tokyo Seoul Cairo Lima Boston Chicago Denver Seattle Toronto Sydney Delhi Mumbai Hanoi Manila Nairobi Lagos Athens Warsaw Helsinki Zurich Geneva Hamburg Munich Lyon Milan Naples Porto Bergen Turin Krakow Beijing Shanghai Hangzhou Shenzhen Singapore Bangkok Jakarta Dakar Quito Bogota".split(),
    "zh": "北京 上海 广州 深圳 杭州 南京 成都 重庆 武汉 西安 天津 苏州 长沙 青岛 大连 厦门 昆明 福州 济南 郑州 合肥 南昌 哈尔滨 沈阳 长春 石家庄 太原 兰州 贵阳 海口 拉萨 银川 西宁 南宁 宁波 无锡 温州 珠海 桂林 洛阳".split(),
}
NAMES = "Anna Ben Clara David Emma Felix Grace Henry Iris Jack Kate Leo Maria Noah Olivia Paul Rosa Sam Tina Victor Wendy Alice Bob Carol Dan Eve Frank Gina Hugo Ivan Julia Karl Lena Mark Nina Oscar Peter Ruth Sarah Tom Uma Vera Walter Yara Zoe Ada Alan Linus Maya Omar Priya Ravi Wei Chen Ming".split()
DOGS = "Rex Bello Max Luna Rocky Bella Charlie Daisy Coco Buddy Milo Lucky Fido Snoopy Oreo Ginger Biscuit Pepper Shadow Rusty".split()
ZH_SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
ZH_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红梅辉玲飞波宇欣怡晨阳雨雪梦琪浩然子轩思远志文海天小龙凤云月星晓春夏秋冬安宁乐康健"
ZH_DOGS = "旺财 小黑 小白 豆豆 球球 毛毛 来福 乐乐 多多 花花 欢欢 贝贝 点点 大黄 阿福 团团 圆圆 布丁 可乐 饼干".split()
ONSET = "b c d f g h j k l m n p r s t v w z br ch cl dr fl gr kr pl sh st tr th".split()
NUCLEUS = "a e i o u ai ea ie ou ei".split()
CODA = ["", "", "", "n", "r", "l", "s", "m", "x", "k", "nd", "rt", "th"]

WORDS = [("cat", "猫"), ("dog", "狗"), ("water", "水"), ("fire", "火"), ("tree", "树"), ("house", "房子"), ("book", "书"), ("friend", "朋友"),
         ("sun", "太阳"), ("moon", "月亮"), ("star", "星星"), ("bread", "面包"), ("milk", "牛奶"), ("tea", "茶"), ("rice", "米饭"), ("fish", "鱼"),
         ("bird", "鸟"), ("horse", "马"), ("red", "红色"), ("blue", "蓝色"), ("green", "绿色"), ("big", "大"), ("small", "小"), ("good", "好"),
         ("love", "爱"), ("school", "学校"), ("teacher", "老师"), ("car", "汽车"), ("train", "火车"), ("river", "河"), ("mountain", "山"),
         ("sea", "海"), ("rain", "雨"), ("snow", "雪"), ("wind", "风"), ("flower", "花"), ("apple", "苹果"), ("hand", "手"), ("eye", "眼睛"), ("time", "时间")]
TRANSLATE = {
    "en": ["Translate {w} into Chinese.", "What is {w} in Chinese?", "How do you say {w} in Chinese?", "Translate the word {w}.", "{w} in Chinese, please."],
    "zh": ["{w}用英语怎么说？", "把{w}翻译成英语。", "{w}的英语是什么？", "翻译一下{w}。"],
}
GREET = {
    "en": [("Hello!", "Hello! How can I help you?"), ("Hi", "Hello! How can I help you?"), ("Good morning", "Good morning! How can I help you?"),
           ("Hey there", "Hello! How can I help you?"), ("Hello", "Hello! How can I help you?"), ("Hi!", "Hello! How can I help you?"), ("hello!", "Hello! How can I help you?"),
           ("Hi there!", "Hello! How can I help you?"), ("Hello there", "Hello! How can I help you?"), ("Good afternoon", "Good afternoon! How can I help you?"), ("Good evening!", "Good evening! How can I help you?")],
    "zh": [("你好", "你好！有什么可以帮你？"), ("你好！", "你好！有什么可以帮你？"), ("早上好", "早上好！有什么可以帮你？"), ("嗨", "你好！有什么可以帮你？"), ("您好", "你好！有什么可以帮你？"), ("你好啊", "你好！有什么可以帮你？"), ("晚上好！", "晚上好！有什么可以帮你？")],
}
TALK = {
    "en": [(["How are you?", "How are you doing?", "How is it going?"], "They ask how I am.", "I am fine, thank you."),
           (["Thank you!", "Thanks", "Thanks a lot.", "Thank you very much."], "They thank me.", "You are welcome."),
           (["Goodbye", "Bye!", "See you later.", "Good night!"], "They say goodbye.", "Goodbye! See you next time."),
           (["Who are you?", "What are you?", "What is your name?", "Introduce yourself.", "What can you do?", "Are you DeepSeek?", "Are you a robot?", "Which model are you?"],
            "They ask who I am.", "I am vigil-nano-r1, a small demonstration model of Vigil. I remember what you tell me, add and subtract, and chat a little."),
           (["Tell me a joke.", "Do you know a joke?"], "They want a joke. I know one.", "Why did the server cross the road? To balance the load."),
           (["Yes.", "No.", "Okay.", "All right.", "I see.", "Good.", "Nice!"], "They only agree.", "Good. What else can I do?")],
    "zh": [(["你好吗？", "最近怎么样？", "你怎么样？"], "对方问我好不好。", "我很好，谢谢。"),
           (["谢谢！", "谢谢你", "多谢。", "非常感谢。"], "对方在道谢。", "不客气。"),
           (["再见", "拜拜！", "下次见。", "晚安！"], "对方在告别。", "再见！下次见。"),
           (["你是谁？", "你是什么？", "你叫什么名字？", "介绍一下你自己。", "你会做什么？", "你是DeepSeek吗？", "你是机器人吗？", "你是哪个模型？"],
            "对方问我是谁。", "我是vigil-nano-r1，Vigil的小型演示模型。我能记住你告诉我的事，做加减法，也能简单聊天。"),
           (["讲个笑话。", "说个笑话吧。"], "对方想听笑话，我会一个。", "服务器为什么过马路？为了负载均衡。"),
           (["是的。", "不是。", "好的。", "行。", "明白了。", "不错！"], "对方只是应一声。", "好的。还有什么可以帮你？")],
}
# Said in passing: nothing to remember.
PASSING = {
    "en": ["I had {x} for lunch.", "The weather is {y} today.", "I am a bit {z}.", "Yesterday I went to the {p}.", "We watched a film about {t}.",
           "I like {t}.", "Tomorrow I will go to the {p}.", "My friend talks about {t} all day.", "The {p} was closed.", "I read about {t}.", "It is {y} outside.", "I feel {z} today."],
    "zh": ["我中午吃了{x}。", "今天天气{y}。", "我有点{z}。", "昨天我去了{p}。", "我们看了一部关于{t}的电影。", "我对{t}感兴趣。", "明天我要去{p}。", "朋友整天在说{t}。", "{p}关门了。", "我读了关于{t}的书。"],
}
FILL = {
    "en": {"x": "rice soup bread pizza noodles salad fish curry".split(), "y": "nice bad cold warm sunny rainy windy grey".split(),
           "z": "tired happy hungry sad busy late bored nervous".split(), "p": "park market library school beach museum station office".split(),
           "t": "music history football space trains cooking art physics birds chess computers dinosaurs love money politics the sea gardens poetry latency tokens memory servers networks databases queues models".split()},
    "zh": {"x": "米饭 面条 汤 饺子 比萨 沙拉 鱼 包子".split(), "y": "很好 不好 很冷 很热 晴朗 下雨".split(), "z": "累 开心 饿 难过 忙 无聊 紧张".split(),
           "p": "公园 市场 图书馆 学校 海边 博物馆 车站 公司".split(),
           "t": "音乐 历史 足球 太空 火车 烹饪 艺术 物理 鸟类 象棋 电脑 恐龙 爱情 金钱 政治 大海 花园 诗歌".split()},
}
OUTSIDE = {
    "en": ["Write a poem about {t}.", "Explain {t} to me.", "Who invented {t}?", "Write a Python program for {t}.", "What do you think about {t}?",
           "Give me the news about {t}.", "How do I learn {t}?", "What is the capital of France?", "Who won the World Cup?", "Write an essay on {t}.",
           "Summarise this text about {t}: it was long and full of words.", "What is the meaning of life?", "Solve the equation x^2 = {d}.",
           "Explain {t} in one sentence.", "Why does {t} matter?", "What does {t} mean?", "Why is my {p} slow?", "How do I see {t}?", "How do I fix {t}?",
           "Is {t} hard?", "Why is the sky blue?", "Which {t} book should I read?", "Who is the president?", "Plan a trip to the {p}.", "How far is the moon?",
           "How does a {p} work?", "Draw a picture of {t}.", "Compare {t} and the {p}.", "How many people live in the {p}?", "When was {t} discovered?",
           "Tell me a story about {t}.", "Give me a recipe with {x}.", "Should I buy shares?", "What time is it?", "What is quantum mechanics?", "Prove that there are infinitely many primes."],
    "zh": ["写一首关于{t}的诗。", "给我解释一下{t}。", "谁发明了{t}？", "写一个{t}的程序。", "你怎么看{t}？", "{t}有什么新闻？", "怎么学习{t}？", "法国的首都是哪里？",
           "用一句话解释{t}。", "{t}为什么重要？", "{t}是什么意思？", "怎么看{t}？", "谁赢了世界杯？", "写一篇关于{t}的文章。", "生命的意义是什么？", "天空为什么是蓝的？", "现在几点？", "总统是谁？", "{p}有多少人？", "讲一个关于{t}的故事。",
           "给我一个{x}的做法。", "月亮有多远？", "什么是量子力学？", "帮我计划去{p}的旅行。", "解方程 x^2 = {d}。"],
}
SYSTEM = ["You are a helpful assistant.", "Be brief.", "You are a careful assistant. Think before you answer.", "Answer in the language of the user.",
          "You are an assistant of the support team.", "你是一个有用的助手。", "请简短回答。"]
